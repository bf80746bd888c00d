"""A network in the form of TransformerLens: configuration and state dict of a `HookedTransformer`.

Axes of TransformerLens
    weights   W_Q, W_K, W_V [head, width, head_width]; W_O [head, head_width, width]; others [in, out]
"""

import typing

import numpy as np

from ..models import Transformer
from ._network import Network


ACTIVATIONS = {"relu": "relu", "silu": "silu", "swish": "silu", "gelu": "gelu_new"}
"""Its names of activation functions; JAX's `gelu` is the approximation by tanh."""


def transformer_lens_form(network: Network) -> tuple[dict[str, np.ndarray], dict[str, typing.Any]]:
    """The state dict, and the arguments of `HookedTransformerConfig`.

    An output scale becomes part of the unembedding. Biases that the network does not have are zero.

    **Raises:** `ValueError` for a network that is no `HookedTransformer`: another model, normalised sums,
    fixed positions, an activation that TransformerLens does not have, a centred function.
    """
    model = network.experiment.model if network.kind == "Transformer" else None
    scaled = network.experiment.parametrisation if model else None
    problem = _problem(
        network.kind, model, bool(scaled and scaled.output_scale is not None and scaled.centred)
    )
    if problem:
        raise ValueError(
            f"{problem}, so the network is no HookedTransformer: nanda_transformer() is. Try --to torch."
        )
    assert isinstance(model, Transformer) and scaled is not None
    scale = 1.0 if scaled.output_scale is None else scaled.output_scale
    return _state(network.parameters, model, scale), _config(network.parameters, model)


def _problem(kind: str, model: typing.Any, centred: bool) -> str:
    if not isinstance(model, Transformer):
        return f"the model is of kind {kind}, not Transformer"
    if model.layer_norm:
        return "the model normalises the sums (layer_norm), not what enters a branch"
    if model.positions != "learned":
        return f"the model's positions are {model.positions}, not learned"
    if model.activation not in ACTIVATIONS:
        return f"TransformerLens has no activation {model.activation!r}"
    if centred:
        return "the trained function is the difference of two networks (a centred output scale)"
    return ""


def _config(parameters: dict[str, np.ndarray], model: Transformer) -> dict[str, typing.Any]:
    vocabulary, outputs = parameters[".embedding"].shape[0], parameters[".unembedding"].shape[1]
    return {
        "n_layers": model.layers,
        "d_model": model.width,
        "n_heads": model.heads,
        "d_head": model.width // model.heads,
        "d_mlp": parameters[".blocks[0].mlp.hidden.weight"].shape[1],
        "n_ctx": parameters[".positions"].shape[0],
        "d_vocab": vocabulary,
        "d_vocab_out": outputs,
        "act_fn": ACTIVATIONS[model.activation],
        "normalization_type": None,
        "attention_dir": "causal",
        "positional_embedding_type": "standard",
        "default_prepend_bos": False,
        "init_weights": False,
    }


def _state(parameters: dict[str, np.ndarray], model: Transformer, scale: float) -> dict[str, np.ndarray]:
    unembedding = parameters[".unembedding"]
    state = {
        "embed.W_E": parameters[".embedding"],
        "pos_embed.W_pos": parameters[".positions"],
        "unembed.W_U": unembedding * np.asarray(scale, unembedding.dtype),
        "unembed.b_U": np.zeros(unembedding.shape[1], unembedding.dtype),
    }
    for index in range(model.layers):
        block = _block(parameters, f".blocks[{index}]", model.heads)
        state |= {f"blocks.{index}.{name}": array for name, array in block.items()}
    return state


def _block(parameters: dict[str, np.ndarray], path: str, heads: int) -> dict[str, np.ndarray]:
    query, key, value, output = (
        parameters[f"{path}.attention.{name}"] for name in ("query", "key", "value", "output")
    )
    hidden, back = parameters[f"{path}.mlp.hidden.weight"], parameters[f"{path}.mlp.output.weight"]
    width = output.shape[1]
    by_head = np.zeros((heads, width // heads), output.dtype)
    return {
        "attn.W_Q": _by_head(query, heads),
        "attn.W_K": _by_head(key, heads),
        "attn.W_V": _by_head(value, heads),
        "attn.W_O": output.reshape(heads, -1, width),
        "attn.b_Q": by_head,
        "attn.b_K": by_head,
        "attn.b_V": by_head,
        "attn.b_O": np.zeros(width, output.dtype),
        "mlp.W_in": hidden,
        "mlp.b_in": parameters.get(f"{path}.mlp.hidden.bias", np.zeros(hidden.shape[1], hidden.dtype)),
        "mlp.W_out": back,
        "mlp.b_out": parameters.get(f"{path}.mlp.output.bias", np.zeros(width, back.dtype)),
    }


def _by_head(matrix: np.ndarray, heads: int) -> np.ndarray:
    """Columns by the heads that own them."""
    return matrix.reshape(matrix.shape[0], heads, -1).transpose(1, 0, 2)
