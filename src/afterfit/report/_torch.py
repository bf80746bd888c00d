"""A network as a state dict of PyTorch, with the settings of the class that loads it (`_standalone`)."""

import re
import typing

import numpy as np

from ..models import MLP, Transformer
from ._network import Network


Arrays = dict[str, np.ndarray]


def torch_form(network: Network) -> tuple[Arrays, dict[str, typing.Any]]:
    """The state dict, and the arguments of `_standalone.build`.

    **Raises:** `ValueError` for a model that `_standalone` has no class for.
    """
    if network.kind not in ("MLP", "Transformer"):
        raise ValueError(
            f"there is no PyTorch class for the model {network.kind} yet, only for MLP and Transformer: "
            "--to safetensors writes its parameters by their paths, which PyTorch reads too."
        )
    state = {_name(path): _turned(path, array) for path, array in network.parameters.items()}
    form: dict[str, typing.Any] = {"kind": network.kind, "settings": _settings(network)}
    scale = network.experiment.parametrisation.output_scale
    if scale is None:
        return state, form
    state = {f"network.{name}": array for name, array in state.items()}
    centred = network.experiment.parametrisation.centred
    if centred:
        state |= {f"initial.{_name(path)}": _turned(path, array) for path, array in _initial(network).items()}
    return state, {**form, "scale": scale, "centred": centred}


def _settings(network: Network) -> dict[str, typing.Any]:
    model = network.experiment.model
    if isinstance(model, MLP):
        return _mlp(model, network)
    assert isinstance(model, Transformer)
    return _transformer(model, network.parameters)


def _mlp(model: MLP, network: Network) -> dict[str, typing.Any]:
    weights = [array for path, array in network.parameters.items() if path.endswith(".weight")]
    return {
        "widths": [weights[0].shape[0], *(weight.shape[1] for weight in weights)],
        "activation": model.activation,
        "symbols": network.symbols,
        "bias": model.bias,
        "output_bias": model.output_bias,
    }


def _transformer(model: Transformer, parameters: Arrays) -> dict[str, typing.Any]:
    return {
        "layers": model.layers,
        "width": model.width,
        "heads": model.heads,
        "mlp_width": parameters[".blocks[0].mlp.hidden.weight"].shape[1],
        "vocabulary": parameters[".embedding"].shape[0],
        "outputs": parameters[".unembedding"].shape[1],
        "activation": model.activation,
        "layer_norm": model.layer_norm,
        "mlp_bias": model.mlp_bias,
        "learned_positions": model.positions == "learned",
        "operator_token": model.operator_token,
    }


def _initial(network: Network) -> Arrays:
    if not network.initial:
        raise ValueError(
            f"the trained function of run {network.entry.run} is centred, so it takes the initial parameters "
            "too, which its snapshots do not hold: train it again with this version."
        )
    return network.initial


def _name(path: str) -> str:
    """The name in the state dict of a parameter, as the layers of PyTorch have it."""
    name = re.sub(r"\[(\d+)\]", r".\1", path.removeprefix("."))
    if name.endswith(".gain"):
        return name.removesuffix("gain") + "weight"
    return name if name.endswith((".weight", ".bias", "positions")) else f"{name}.weight"


def _turned(path: str, array: np.ndarray) -> np.ndarray:
    """PyTorch's matrices are [out, in]; its tables have a row for each token or place, as ours do."""
    return array.T if array.ndim == 2 and path not in (".embedding", ".positions") else array
