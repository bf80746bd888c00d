"""Graph convolutions: the saving against loops over bonds, symmetry, padding, counts, errors."""

import math

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from afterfit.models import GraphConvolution, MLP, split_trainable
from afterfit.tasks import Sizes


PLACES, FEATURES = 7, 5
SMALL = GraphConvolution(widths=(6, 4, 8), edge_width=3, readout=5)  # widths that fall, and that rise


def sizes_of(places=PLACES, features=FEATURES, outputs=2):
    atoms = jax.ShapeDtypeStruct((places, features), jnp.float32)
    return Sizes({"atoms": atoms, "bonds": jax.ShapeDtypeStruct((places, places), jnp.int8)}, outputs)


def built(architecture=SMALL, sizes=None):
    sizes = sizes or sizes_of()
    return jax.jit(lambda key: architecture.build(sizes, key=key))(jax.random.key(0))


@pytest.fixture(scope="module")
def small():
    return built()


@pytest.fixture(scope="module")
def paper():
    return built(GraphConvolution(), sizes_of(29, 11, 1))


def random_graphs(count, seed=0, places=PLACES):
    """Molecules of two atoms and more, with bonds of all types."""
    random = np.random.default_rng(seed)
    atoms = np.zeros((count, places, FEATURES), np.float32)
    bonds = np.zeros((count, places, places), np.int8)
    for molecule in range(count):
        n = random.integers(2, places + 1)
        atoms[molecule, :n] = random.normal(size=(n, FEATURES))
        drawn = np.triu(random.integers(0, 5, size=(n, n)) * random.integers(0, 2, size=(n, n)), 1)
        bonds[molecule, :n, :n] = drawn + drawn.T
    return {"atoms": atoms, "bonds": bonds}


def by_path(model):
    leaves = jax.tree_util.tree_leaves_with_path(model)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def bond_by_bond(p, atoms, bonds, units):
    """One molecule from its definition, in NumPy or in PyTorch: no padding, no arrays of bonds.

    `units` are the four one-hot types. Atoms are those with a feature that is not zero.
    """
    relu = lambda x: x * (x > 0)
    linear = lambda name, x: x @ p[f"{name}.weight"] + p[f"{name}.bias"]
    h = [own for own in atoms if (own != 0).any()]
    for index in range(sum(name.endswith(".root") for name in p)):
        name = f".convolutions[{index}]"
        new = []
        for i in range(len(h)):
            total = h[i] @ p[f"{name}.root"] + p[f"{name}.bias"]
            for j in range(len(h)):
                if bonds[i][j]:
                    hidden = relu(linear(f"{name}.hidden", units[int(bonds[i][j]) - 1]))
                    theta = linear(f"{name}.entries", hidden).reshape(p[f"{name}.root"].shape)
                    total = total + h[j] @ theta
            new.append(relu(total))
        h = new
    return linear(".readout", relu(linear(".hidden", sum(h))))


FORMS = {"plain": lambda model, x: jax.vmap(model)(x), "batched": lambda model, x: model.batched(x)}


@pytest.mark.parametrize("form", FORMS)
def test_outputs_are_those_of_a_loop_over_bonds(form):
    graphs = random_graphs(6)
    with jax.enable_x64(True):
        model = built()
        p, units = by_path(model), np.eye(4)
        expected = [
            bond_by_bond(p, *pair, units) for pair in zip(graphs["atoms"].astype(float), graphs["bonds"])
        ]
        got = jax.jit(FORMS[form])(model, jax.tree.map(jnp.asarray, graphs))
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


def loss_and_gradient(form):
    def loss(model, x):
        return jnp.sum(FORMS[form](model, x) ** 2)

    return jax.jit(jax.value_and_grad(loss))


def test_the_saving_has_the_same_gradient():
    with jax.enable_x64(True):
        model, graphs = built(), jax.tree.map(jnp.asarray, random_graphs(6))
        plain, saving = (loss_and_gradient(form)(model, graphs) for form in ("plain", "batched"))
    for expected, got in zip(jax.tree.leaves(plain), jax.tree.leaves(saving), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("form", FORMS)
def test_same_outputs_and_gradients_as_pytorch(small, form):
    torch = pytest.importorskip("torch")
    graphs = random_graphs(6)
    p = {path: torch.tensor(leaf, requires_grad=True) for path, leaf in by_path(small).items()}
    pairs = zip(torch.tensor(graphs["atoms"]), graphs["bonds"])
    expected = torch.stack([bond_by_bond(p, *pair, torch.eye(4)) for pair in pairs])
    torch.sum(expected**2).backward()

    inputs = jax.tree.map(jnp.asarray, graphs)
    outputs = jax.jit(FORMS[form])(small, inputs)
    np.testing.assert_allclose(outputs, expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    gradients = by_path(loss_and_gradient(form)(small, inputs)[1])
    for path, leaf in p.items():
        error = np.linalg.norm(gradients[path] - leaf.grad.numpy()) / np.linalg.norm(leaf.grad.numpy())
        assert error < 1e-5, path


BATCHED = jax.jit(FORMS["batched"])


@hypothesis.settings(max_examples=20)
@hypothesis.given(seed=st.integers(0, 2**20), order=st.permutations(range(PLACES)))
def test_the_order_of_atoms_does_not_matter(small, seed, order):
    graphs, order = random_graphs(3, seed), np.array(order)
    shuffled = {"atoms": graphs["atoms"][:, order], "bonds": graphs["bonds"][:, order][:, :, order]}
    one, other = BATCHED(small, graphs), BATCHED(small, shuffled)
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_more_padding_changes_nothing(small):
    graphs = random_graphs(4)
    more = {
        "atoms": np.pad(graphs["atoms"], ((0, 0), (0, 4), (0, 0))),
        "bonds": np.pad(graphs["bonds"], ((0, 0), (0, 4), (0, 4))),
    }
    # With biases that give an empty place something to say, were it counted.
    model = jax.tree.map(lambda leaf: leaf + 0.1, small)
    for form in map(jax.jit, FORMS.values()):
        np.testing.assert_allclose(form(model, more), form(model, graphs), rtol=2e-6)


def test_the_model_of_the_paper_has_30_321_parameters(paper):
    assert sum(leaf.size for leaf in jax.tree.leaves(split_trainable(paper)[0])) == 30_321
    # 12,160 + 17,584 of the convolutions, 544 + 33 of the linear layers.
    of = lambda part: sum(leaf.size for leaf in jax.tree.leaves(part))
    assert [of(part) for part in (*paper.convolutions, paper.hidden, paper.readout)] == [
        12160,
        17584,
        544,
        33,
    ]
    norm = math.sqrt(sum(float(jnp.sum(leaf**2)) for leaf in jax.tree.leaves(paper)))
    assert 18.2 < norm < 19.2  # theirs starts at 18.7


def test_initial_parameters(paper):
    first, second = paper.convolutions
    for array, fan_in in (
        (first.hidden.weight, 4),
        (first.hidden.bias, 4),
        (first.entries.weight, 32),
        (first.entries.bias, 32),
        (first.root, 11),
        (second.root, 32),
    ):
        largest = float(jnp.max(jnp.abs(array))) * math.sqrt(fan_in)
        assert 0.9 < largest <= 1
    assert not jnp.any(first.bias) and not jnp.any(second.bias)
    assert not jnp.array_equal(first.hidden.weight, second.hidden.weight)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"widths": ()}, r"widths must name a convolution at least, got \(\)"),
        ({"widths": (32, 0)}, "widths must consist of integers of at least 1, got 0"),
        ({"edge_width": 0}, "edge_width must consist of"),
        ({"readout": -1}, "readout must consist of"),
    ],
)
def test_bad_fields(fields, message):
    with pytest.raises(ValueError, match=message):
        GraphConvolution(**fields)


def test_other_inputs_are_refused_and_so_is_another_model():
    vectors = Sizes(jax.ShapeDtypeStruct((5,), jnp.float32), 1)
    with pytest.raises(ValueError, match="reads atoms and bonds, got inputs .* try the task QM9"):
        GraphConvolution().build(vectors, key=jax.random.key(0))
    with pytest.raises(ValueError, match="an MLP reads one array"):
        MLP().build(sizes_of(), key=jax.random.key(0))
