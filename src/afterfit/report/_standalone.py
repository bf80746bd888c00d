"""Networks trained with afterfit, as modules of PyTorch. This file needs torch and safetensors, nothing else.

    model = load()  # the weights that lie beside this file, under its name
    logits = model(torch.tensor([[3, 5], [0, 1]]))

The first axis of every input is the batch.
"""

import json
import pathlib

import safetensors
import torch
from torch import nn
from torch.nn import functional


ACTIVATIONS = {
    "celu": functional.celu,
    "elu": functional.elu,
    "gelu": lambda x: functional.gelu(x, approximate="tanh"),  # JAX's default
    "hard_sigmoid": functional.hardsigmoid,
    "hard_silu": functional.hardswish,
    "hard_swish": functional.hardswish,
    "hard_tanh": functional.hardtanh,
    "identity": lambda x: x,
    "leaky_relu": functional.leaky_relu,
    "log_sigmoid": functional.logsigmoid,
    "mish": functional.mish,
    "relu": functional.relu,
    "relu6": functional.relu6,
    "selu": functional.selu,
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "soft_sign": functional.softsign,
    "softplus": functional.softplus,
    "sparse_plus": lambda x: torch.where(x <= -1, 0, torch.where(x >= 1, x, (x + 1) ** 2 / 4)),
    "sparse_sigmoid": lambda x: ((x + 1) / 2).clamp(0, 1),
    "square": torch.square,
    "squareplus": lambda x: (x + torch.sqrt(x**2 + 4)) / 2,
    "swish": functional.silu,
    "tanh": torch.tanh,
}


class MLP(nn.Module):
    """A multilayer perceptron on vectors, or on tokens, which enter as concatenated one-hot vectors.

    `widths` are those of the input, the hidden layers and the output; there are `symbols` distinct tokens.
    """

    def __init__(
        self, widths: list[int], activation: str, symbols: int | None, bias: bool, output_bias: bool
    ):
        super().__init__()
        hidden = zip(widths[:-2], widths[1:-1])
        self.layers = nn.ModuleList(nn.Linear(*pair, bias=bias) for pair in hidden)
        self.readout = nn.Linear(*widths[-2:], bias=output_bias)
        self.activation, self.symbols = activation, symbols

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Outputs (batch, outputs) for inputs (batch, ...)."""
        if self.symbols is not None:
            inputs = functional.one_hot(inputs.long(), self.symbols)
        x = inputs.flatten(1).to(self.readout.weight.dtype)
        for layer in self.layers:
            x = ACTIVATIONS[self.activation](layer(x))
        return self.readout(x)


class Attention(nn.Module):
    """Causal attention without biases; heads own consecutive slices of the width."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.query, self.key, self.value, self.output = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )
        self.heads = heads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What each position reads from itself and those before it; (batch, position, width)."""
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (batch, head, position, head width)
            for layer in (self.query, self.key, self.value)
        )
        read = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.output(read.transpose(1, 2).flatten(2))


class Feedforward(nn.Module):
    """One hidden layer at each position."""

    def __init__(self, width: int, hidden: int, bias: bool, activation: str):
        super().__init__()
        self.hidden, self.output = nn.Linear(width, hidden, bias), nn.Linear(hidden, width, bias)
        self.activation = activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The branch's output; (batch, position, width)."""
        return self.output(ACTIVATIONS[self.activation](self.hidden(x)))


class Block(nn.Module):
    """Attention, then MLP, each added to the stream; with norms, each sum is normalised (post-LN)."""

    def __init__(self, width: int, heads: int, hidden: int, bias: bool, norm: bool, activation: str):
        super().__init__()
        self.attention, self.mlp = Attention(width, heads), Feedforward(width, hidden, bias, activation)
        self.attention_norm, self.mlp_norm = (
            nn.LayerNorm(width) if norm else nn.Identity() for _ in range(2)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The stream after the block; (batch, position, width)."""
        x = self.attention_norm(x + self.attention(x))
        return self.mlp_norm(x + self.mlp(x))


class Transformer(nn.Module):
    """A decoder-only transformer that reads `a op b =`, or `a b =`, and answers at the last position.

    Tokens are the task's symbols, then the operator (if it is read), then `=`.
    """

    def __init__(
        self,
        *,
        layers: int,
        width: int,
        heads: int,
        mlp_width: int,
        vocabulary: int,
        outputs: int,
        activation: str,
        layer_norm: bool,
        mlp_bias: bool,
        learned_positions: bool,
        operator_token: bool,
    ):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        length = 4 if operator_token else 3
        if learned_positions:
            self.positions = nn.Parameter(torch.empty(length, width))
        else:
            self.register_buffer("positions", sinusoids(length, width), persistent=False)
        self.blocks = nn.ModuleList(
            Block(width, heads, mlp_width, mlp_bias, layer_norm, activation) for _ in range(layers)
        )
        self.unembedding = nn.Linear(width, outputs, bias=False)
        self.operator_token = operator_token

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits (batch, outputs) for pairs of tokens (batch, 2)."""
        x = self.embedding(self.sequence(inputs)) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.unembedding(x[:, -1])

    def sequence(self, inputs: torch.Tensor) -> torch.Tensor:
        """What the network reads for pairs `(a, b)`: tokens (batch, position)."""
        a, b = inputs.long().T
        equals = torch.full_like(a, self.embedding.num_embeddings - 1)
        return torch.stack([a, equals - 1, b, equals] if self.operator_token else [a, b, equals], dim=1)


class Scaled(nn.Module):
    """A network times `scale`, minus that of another one, its initial state, if it is centred."""

    def __init__(self, network: nn.Module, initial: nn.Module | None, scale: float):
        super().__init__()
        self.network, self.initial, self.scale = network, initial, scale

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Outputs (batch, outputs) for inputs (batch, ...)."""
        outputs = self.network(inputs)
        return self.scale * (outputs if self.initial is None else outputs - self.initial(inputs))


def sinusoids(length: int, width: int) -> torch.Tensor:
    """Fixed positions, in float64: sine and cosine of `t / 10000 ** (2 * (i // 2) / width)` in turn."""
    entries = torch.arange(width)
    rates = 10000.0 ** (-2 * (entries // 2).double() / width)
    angles = torch.arange(length).double()[:, None] * rates
    return torch.where(entries % 2 == 0, angles.sin(), angles.cos())


def build(kind: str, settings: dict, scale: float | None = None, centred: bool = False) -> nn.Module:
    """A network of this file with arbitrary weights: class `kind`, made with `settings`, times `scale`."""
    networks = [{"MLP": MLP, "Transformer": Transformer}[kind](**settings) for _ in range(1 + centred)]
    return networks[0] if scale is None else Scaled(networks[0], networks[1] if centred else None, scale)


def load(path: str | pathlib.Path | None = None) -> nn.Module:
    """The network whose weights are in a file, by default that beside this one, ready to be evaluated."""
    path = pathlib.Path(__file__).with_suffix(".safetensors") if path is None else path
    with safetensors.safe_open(path, "pt") as file:
        model = build(**json.loads(file.metadata()["module"]))
        state = {name: file.get_tensor(name) for name in file.keys()}
    model = model.to(next(iter(state.values())).dtype)
    model.load_state_dict(state)
    return model.eval()
