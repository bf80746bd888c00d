"""The same networks written in PyTorch: same function, same step of AdamW."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from afterfit.models import MLP, nanda_transformer, Transformer
from afterfit.tasks import CrossEntropy, Sizes


torch = pytest.importorskip("torch")

SYMBOLS = 11
LEARNING_RATE, DECAY, BETAS, EPS = 1e-3, 1.0, (0.9, 0.98), 1e-8
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}  # relative, in norm, for each parameter
# Adam's first step divides each gradient by its own size, so an entry near `eps`, made of larger terms
# that cancel, brings its relative rounding error into the step in full.
STEP_TOLERANCE = {"float32": 1e-4, "float64": 1e-10}
ARCHITECTURES = {
    "power": Transformer(width=32, heads=4),
    "nanda": nanda_transformer(width=32, heads=4),
    "clauw": MLP(hidden=(24,), output_bias=False),
}


def torch_mlp(p, inputs):
    one_hot = torch.nn.functional.one_hot(inputs, SYMBOLS).flatten(1).to(p[".readout.weight"].dtype)
    hidden = torch.nn.functional.linear(one_hot, p[".layers[0].weight"].T, p[".layers[0].bias"])
    return torch.relu(hidden) @ p[".readout.weight"]


def torch_transformer(p, inputs, layers, operator_token, heads=4):
    """Full sequences through PyTorch's own attention, layer norm and embedding functions."""
    functional = torch.nn.functional
    a, b = inputs.T
    operator, equals = torch.full_like(a, SYMBOLS), torch.full_like(a, SYMBOLS + operator_token)
    tokens = torch.stack([a, operator, b, equals] if operator_token else [a, b, equals], dim=1)
    x = functional.embedding(tokens, p[".embedding"])
    width = x.shape[-1]
    if ".positions" in p:
        x = x + p[".positions"]
    else:
        place = torch.arange(tokens.shape[1], dtype=torch.float64)[:, None]
        frequency = torch.exp(-np.log(10000.0) * torch.arange(0, width, 2, dtype=torch.float64) / width)
        angles = place * frequency
        x = x + torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1).to(x.dtype)

    def norm(x, name):
        if f"{name}.gain" not in p:
            return x
        return functional.layer_norm(x, (width,), p[f"{name}.gain"], p[f"{name}.bias"], eps=1e-5)

    for index in range(layers):
        block = f".blocks[{index}]"
        q, k, v = (
            (x @ p[f"{block}.attention.{name}"]).unflatten(-1, (heads, -1)).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        read = functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        x = norm(x + read @ p[f"{block}.attention.output"], f"{block}.attention_norm")
        hidden = functional.linear(x, p[f"{block}.mlp.hidden.weight"].T, p.get(f"{block}.mlp.hidden.bias"))
        change = functional.linear(
            hidden.relu(), p[f"{block}.mlp.output.weight"].T, p.get(f"{block}.mlp.output.bias")
        )
        x = norm(x + change, f"{block}.mlp_norm")
    return x[:, -1] @ p[".unembedding"]


def torch_call(arch, p, inputs):
    if isinstance(arch, MLP):
        return torch_mlp(p, inputs)
    return torch_transformer(p, inputs, arch.layers, arch.operator_token)


def by_path(model):
    leaves = jax.tree_util.tree_leaves_with_path(model)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def relative(got, expected):
    return np.linalg.norm(got - expected) / np.linalg.norm(expected)


def setting(name):
    """The architecture, its model, all equations, answers, and PyTorch's copy of the parameters."""
    arch = ARCHITECTURES[name]
    sizes = Sizes(jax.ShapeDtypeStruct((2,), jnp.int32), SYMBOLS, SYMBOLS)
    model = jax.jit(lambda key: arch.build(sizes, key=key))(jax.random.key(0))
    inputs = np.stack(np.divmod(np.arange(SYMBOLS**2, dtype=np.int32), SYMBOLS), axis=1)
    answers = (inputs.sum(axis=1) % SYMBOLS).astype(np.int32)
    copies = {path: torch.tensor(leaf, requires_grad=True) for path, leaf in by_path(model).items()}
    return arch, model, inputs, answers, copies


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_same_outputs(name, precision):
    with jax.enable_x64(precision == "float64"):
        arch, model, inputs, _, copies = setting(name)
        expected = torch_call(arch, copies, torch.tensor(inputs, dtype=torch.long)).detach().numpy()
        assert str(expected.dtype) == precision
        for call in (lambda model, x: model.batched(x), lambda model, x: jax.vmap(model)(x)):
            assert relative(jax.jit(call)(model, jnp.asarray(inputs)), expected) < TOLERANCE[precision]


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_same_step_of_adamw(name, precision):
    with jax.enable_x64(precision == "float64"):
        arch, model, inputs, answers, copies = setting(name)
        optimiser = torch.optim.AdamW(
            copies.values(), lr=LEARNING_RATE, betas=BETAS, eps=EPS, weight_decay=DECAY
        )
        logits = torch_call(arch, copies, torch.tensor(inputs, dtype=torch.long))
        torch.nn.functional.cross_entropy(logits, torch.tensor(answers, dtype=torch.long)).backward()
        optimiser.step()

        adam = optax.scale_by_adam(*BETAS, eps=EPS)

        @jax.jit
        def step(model):
            def loss(model):
                scores = CrossEntropy().score(model.batched, jnp.asarray(inputs), jnp.asarray(answers))
                return jnp.mean(scores.loss)

            gradient = jax.grad(loss)(model)
            direction, _ = adam.update(gradient, adam.init(model))
            shrunk = jax.tree.map(lambda w: w * (1 - LEARNING_RATE * DECAY), model)
            return gradient, jax.tree.map(lambda w, u: w - LEARNING_RATE * u, shrunk, direction)

        before = by_path(model)
        gradients, stepped = map(by_path, step(model))
        for path, after in stepped.items():
            expected = copies[path].detach().numpy()
            assert relative(gradients[path], copies[path].grad.numpy()) < TOLERANCE[precision], path
            assert relative(after, expected) < TOLERANCE[precision], path
            assert relative(after - before[path], expected - before[path]) < STEP_TOLERANCE[precision], path
