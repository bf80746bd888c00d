"""The same training steps in eager PyTorch: as released with the papers, and tuned.

"Released" keeps what the scripts of the field do: one head after another, every position to the end,
one-hot inputs, the default AdamW. "Tuned" is what a careful user of eager PyTorch would write: fused
attention, logits at the answer alone, row lookups, the fused AdamW.
"""

import math
import typing
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F


Step = Callable[[], None]

LONGEST = 4  # positions


def training(
    model: nn.Module,
    loss_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    inputs: "torch.Tensor | EdgeLists | DenseGraphs",
    targets: torch.Tensor,
    *,
    batch: int | None,
    tuned: bool,
    clip: float | None = None,
    **adam: typing.Any,
) -> Step:
    """One update a call; batches walk through epochs that are shuffled anew."""
    optimiser = torch.optim.AdamW(model.parameters(), fused=tuned or None, **adam)
    order, place = torch.randperm(len(inputs)), 0

    def step() -> None:
        nonlocal order, place
        x, y = inputs, targets
        if batch is not None:
            if place >= len(inputs):
                order, place = torch.randperm(len(inputs)), 0
            chosen = order[place : place + batch]
            x, y, place = inputs[chosen], targets[chosen], place + batch
        optimiser.zero_grad()
        loss_of(model(x), y).backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimiser.step()

    return step


def mlp(widths: tuple[int, ...], activation: nn.Module, output_bias: bool = True) -> nn.Sequential:
    """Linear layers with an activation between them."""
    parts: list[nn.Module] = []
    last = len(widths) - 2
    for index, pair in enumerate(zip(widths, widths[1:])):
        parts.append(nn.Linear(*pair, bias=output_bias or index < last))
        if index < last:
            parts.append(activation)
    return nn.Sequential(*parts)


class RowLookupMLP(nn.Module):
    """An MLP with one hidden layer whose one-hot inputs are looked up instead of multiplied."""

    def __init__(self, symbols: int, hidden: int):
        super().__init__()
        self.rows = nn.EmbeddingBag(2 * symbols, hidden, mode="sum")
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.readout = nn.Linear(hidden, symbols, bias=False)
        self.register_buffer("places", torch.tensor([0, symbols]))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits for pairs of tokens."""
        return self.readout(torch.relu(self.rows(tokens + self.places) + self.bias))


class HeadByHead(nn.Module):
    """Attention as openai/grok has it: each head with three matrices of its own, one after another."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        size = width // heads
        make = lambda: nn.ModuleList(nn.Linear(width, size, bias=False) for _ in range(heads))
        self.query, self.key, self.value = make(), make(), make()
        self.output = nn.Linear(width, width, bias=False)
        self.register_buffer("mask", torch.triu(torch.full((LONGEST, LONGEST), -math.inf), diagonal=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What each position reads from those before it and itself."""
        mask = self.mask[: x.shape[1], : x.shape[1]]
        read = []
        for query, key, value in zip(self.query, self.key, self.value, strict=True):
            k = key(x)
            scores = query(x) @ k.transpose(1, 2) / math.sqrt(k.shape[-1]) + mask
            read.append(torch.softmax(scores, dim=-1) @ value(x))
        return self.output(torch.cat(read, dim=-1))


class FusedAttention(nn.Module):
    """Attention with one matrix for queries, keys and values and PyTorch's fused kernel."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What each position reads from those before it and itself."""
        batch, length, width = x.shape
        parts = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        read = F.scaled_dot_product_attention(*parts, is_causal=True)
        return self.output(read.transpose(1, 2).reshape(batch, length, width))


class Transformer(nn.Module):
    """The decoder of Power et al. (post-norms, no biases) or, without norms, of Nanda et al."""

    def __init__(self, symbols: int, *, layers: int, width: int, heads: int, norms: bool, tuned: bool):
        super().__init__()
        self.tuned, self.extra = tuned, (symbols, symbols + 1) if norms else (symbols,)
        vocabulary = symbols + len(self.extra)
        self.embedding = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.randn(2 + len(self.extra), width) / 10)
        attention = FusedAttention if tuned else HeadByHead
        self.attention = nn.ModuleList(attention(width, heads) for _ in range(layers))
        wide, bias = 4 * width, not norms
        self.mlp = nn.ModuleList(
            nn.Sequential(nn.Linear(width, wide, bias=bias), nn.ReLU(), nn.Linear(wide, width, bias=bias))
            for _ in range(layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) if norms else nn.Identity() for _ in range(2 * layers))
        self.unembedding = nn.Linear(width, vocabulary, bias=False)

    def forward(self, pairs: torch.Tensor) -> torch.Tensor:
        """Logits at the last position."""
        a, b = pairs.unbind(1)
        extra = [torch.full_like(a, token) for token in self.extra]
        x = self.embedding(torch.stack([a, *extra[:-1], b, extra[-1]], dim=1)) + self.positions
        for index, (attention, change) in enumerate(zip(self.attention, self.mlp, strict=True)):
            x = self.norms[2 * index](x + attention(x))
            x = self.norms[2 * index + 1](x + change(x))
        if self.tuned:
            return self.unembedding(x[:, -1])
        return self.unembedding(x)[:, -1]


class LSTM(nn.Module):
    """The network of Liu et al. on texts: answers after the last token."""

    def __init__(self, symbols: int, embedding: int, hidden: int, layers: int):
        super().__init__()
        self.embedding = nn.Embedding(symbols, embedding)
        self.lstm = nn.LSTM(embedding, hidden, layers, batch_first=True)
        self.readout = nn.Linear(hidden, 1)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """One logit a text."""
        return self.readout(self.lstm(self.embedding(tokens))[0][:, -1])[:, 0]


class EdgeLists:
    """Molecules as PyTorch Geometric batches them: the atoms of all in a row, and a list of their bonds."""

    def __init__(self, atoms: torch.Tensor, bonds: torch.Tensor):
        self.atoms, self.ends, self.types = [], [], []
        for features, table in zip(atoms, bonds, strict=True):
            ends = table.nonzero().T
            self.atoms.append(features[features.any(dim=1)])
            self.ends.append(ends)
            self.types.append(F.one_hot(table[ends[0], ends[1]].long() - 1, 4).float())

    def __len__(self) -> int:
        return len(self.atoms)

    def __getitem__(self, chosen: torch.Tensor) -> typing.Any:
        molecules = chosen.tolist()
        sizes = torch.tensor([len(self.atoms[i]) for i in molecules])
        starts = (torch.cumsum(sizes, 0) - sizes).tolist()
        ends = torch.cat([self.ends[i] + start for i, start in zip(molecules, starts, strict=True)], dim=1)
        owner = torch.repeat_interleave(torch.arange(len(molecules)), sizes)
        atoms, types = (torch.cat([part[i] for i in molecules]) for part in (self.atoms, self.types))
        return atoms, (ends, types), lambda h: h.new_zeros(len(molecules), h.shape[1]).index_add(0, owner, h)


class DenseGraphs:
    """Molecules padded to one size, with an adjacency matrix of each type of bond, made beforehand."""

    def __init__(self, atoms: torch.Tensor, bonds: torch.Tensor):
        self.atoms, self.exists = atoms, atoms.any(dim=2, keepdim=True).float()
        self.adjacency = F.one_hot(bonds.long(), 5)[..., 1:].float().flatten(2)

    def __len__(self) -> int:
        return len(self.atoms)

    def __getitem__(self, chosen: torch.Tensor) -> typing.Any:
        exists = self.exists[chosen]
        return self.atoms[chosen], self.adjacency[chosen], lambda h: (h * exists).sum(1)


class EdgeConvolution(nn.Module):
    """NNConv of PyTorch Geometric; on dense graphs, one matrix for each type of bond."""

    def __init__(self, fan_in: int, fan_out: int):
        super().__init__()
        self.shape = fan_in, fan_out
        self.edge = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, fan_in * fan_out))
        self.root = nn.Linear(fan_in, fan_out, bias=False)
        self.bias = nn.Parameter(torch.zeros(fan_out))

    def forward(self, h: torch.Tensor, bonds: typing.Any) -> torch.Tensor:
        """What each atom hears from its neighbours and itself."""
        own = self.root(h) + self.bias
        if isinstance(bonds, torch.Tensor):
            theta = self.edge(torch.eye(4)).view(4, *self.shape).transpose(0, 1).flatten(1)
            return torch.baddbmm(own, bonds, (h @ theta).view(len(h), -1, self.shape[1]))
        (there, here), types = bonds
        messages = torch.matmul(h[there].unsqueeze(1), self.edge(types).view(-1, *self.shape)).squeeze(1)
        return torch.zeros_like(own).index_add(0, here, messages) + own


class GraphConvolution(nn.Module):
    """The network of Liu et al. on molecules."""

    def __init__(self, features: int):
        super().__init__()
        self.convolutions = nn.ModuleList([EdgeConvolution(features, 32), EdgeConvolution(32, 16)])
        self.readout = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, graphs: typing.Any) -> torch.Tensor:
        """One answer a molecule."""
        h, bonds, pool = graphs
        for convolution in self.convolutions:
            h = torch.relu(convolution(h, bonds))
        return self.readout(pool(h))


def high_precision_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The loss of Nanda et al., whose logarithms are taken in float64."""
    chosen = F.log_softmax(logits.to(torch.float64), dim=-1).gather(-1, targets[:, None])
    return -chosen.mean()
