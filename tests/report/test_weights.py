"""Exported networks compute what the stored ones do, without afterfit."""

import dataclasses
import importlib.util
import json
import subprocess
import sys
import typing

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors
import safetensors.numpy

import afterfit as af
from afterfit import tasks
from afterfit.ensemble import Run
from afterfit.models import (
    AbstractArchitecture,
    by_path,
    call_batch,
    LSTM,
    MLP,
    nanda_transformer,
    trainable,
    Transformer,
)
from afterfit.models._activation import ACTIVATIONS
from afterfit.report import export
from afterfit.store import RunRecords, Store
from afterfit.training import Parametrisation, Seeds


STEP = 20
TOLERANCE = 1e-5  # of outputs of size 1: both sides round products in their own order, in float32
OPERATION = tasks.BinaryOperation("x+y", modulus=5)


class Kept(typing.NamedTuple):
    """A run in a store, and what its network answers."""

    store: typing.Any
    run: Run
    parameters: dict[str, np.ndarray]
    inputs: np.ndarray
    outputs: np.ndarray


def experiment(model: AbstractArchitecture, task: tasks.AbstractTask = OPERATION, **changes: typing.Any):
    return af.Experiment(task, model, steps=STEP, snapshots=af.At((0, STEP)), **changes)


MLPS = {
    "tokens": experiment(MLP(hidden=(8, 6), activation="gelu")),
    "clauw": experiment(MLP(hidden=(8,), output_bias=False)),
    "linear": experiment(MLP(hidden=())),
    "vectors": experiment(MLP(hidden=(8,), bias=False), tasks.TeacherStudent(inputs=4, outputs=2)),
    "lazy": experiment(MLP(hidden=(8,)), parametrisation=Parametrisation(output_scale=3.0)),
}
LENS = {
    "nanda": experiment(nanda_transformer(width=8, heads=2)),
    "deep": experiment(nanda_transformer(width=8, heads=2, layers=2, mlp_width=12, activation="gelu")),
    "bare": experiment(nanda_transformer(width=8, heads=4, mlp_bias=False, operator_token=True)),
    "scaled": experiment(
        nanda_transformer(width=8, heads=2), parametrisation=Parametrisation(output_scale=0.5, centred=False)
    ),
}
TRANSFORMERS = LENS | {
    "power": experiment(Transformer(width=8, heads=2, dropout=0.1)),
    "odd": experiment(Transformer(width=9, heads=3, mlp_bias=True, activation="square")),
    "learned": experiment(Transformer(layers=1, width=8, heads=2, positions="learned", operator_token=False)),
    "lazy transformer": experiment(
        nanda_transformer(width=8, heads=2), parametrisation=Parametrisation(output_scale=3.0)
    ),
    "float64": experiment(Transformer(layers=1, width=8, heads=2), precision="float64"),
}


def keep(folder, experiment: af.Experiment) -> Kept:
    """Puts a run into a store that has random parameters, also where others begin with 0 or 1."""
    run = Run(experiment, Seeds.of(0))
    scaling = experiment.parametrisation
    with jax.enable_x64(experiment.precision == "float64"):
        data = experiment.task.data(0)
        build = lambda: experiment.model.build(data.sizes, key=jax.random.key(0))
        shapes, static = eqx.partition(eqx.filter_eval_shape(build), trainable(eqx.filter_eval_shape(build)))
        trained, initial = (drawn(shapes, seed) for seed in (0, 1))
        inputs = np.asarray(data.inputs)[:20]
        answer = eqx.filter_jit(lambda weights: call_batch(eqx.combine(weights, static), jnp.asarray(inputs)))
        outputs = answer(trained)
        if scaling.output_scale is not None:
            outputs = scaling.output_scale * (outputs - answer(initial) if scaling.centred else outputs)
    parameters = by_path(trained)
    beside = {f"state.initial{path}": leaf for path, leaf in by_path(initial).items()}
    snapshots = {0: {path: 0 * leaf for path, leaf in parameters.items()}, STEP: {**parameters, **beside}}
    records = RunRecords(
        run.id, run.recipe, np.array([0, STEP]), {"train_loss": np.zeros(2)}, "done", STEP, "", snapshots
    )
    with Store(folder).claim([run.id], {"versions": {"jax": "1"}}) as session:
        session.publish_runs([records])
    return Kept(folder, run, parameters, inputs, np.asarray(outputs))


def drawn(shapes: typing.Any, seed: int) -> typing.Any:
    """Random arrays of these shapes."""
    random = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: random.normal(scale=0.5, size=leaf.shape).astype(leaf.dtype), shapes)


def error(got: typing.Any, kept: Kept) -> float:
    return np.abs(np.asarray(got) - kept.outputs).max() / np.abs(kept.outputs).max()


# --- safetensors ------------------------------------------------------------------------------------


def test_parameters_by_their_paths(tmp_path):
    kept = keep(tmp_path / "s", TRANSFORMERS["power"])
    path = export(kept.store, kept.run.id[:5], "safetensors", tmp_path / "w.safetensors")
    found = safetensors.numpy.load_file(path)
    assert "blocks[0].attention.query" in found
    assert found.keys() == {name.removeprefix(".") for name in kept.parameters}
    assert all((found[name.removeprefix(".")] == leaf).all() for name, leaf in kept.parameters.items())
    with safetensors.safe_open(path, "np") as file:
        about = file.metadata()
    assert json.loads(about["recipe"]) == kept.run.recipe
    assert (about["run"], about["step"]) == (kept.run.id, str(STEP))
    assert json.loads(about["about"])["versions"] == {"jax": "1"}


def test_an_earlier_step_and_the_default_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = keep(tmp_path / "s", MLPS["clauw"])
    path = export(kept.store, None, "safetensors", step=0)
    assert str(path) == f"run_{kept.run.id[:8]}_0.safetensors"
    assert not any(array.any() for array in safetensors.numpy.load_file(path).values())


def test_models_without_a_class_have_their_parameters(tmp_path):
    kept = keep(tmp_path / "s", MLPS["clauw"])
    entry = dataclasses.replace(MLPS["clauw"], model=LSTM())
    run = Run(entry, Seeds.of(0))
    records = RunRecords(
        run.id, run.recipe, np.array([STEP]), {}, "done", STEP, snapshots={STEP: {".w": np.ones(2)}}
    )
    with Store(kept.store).claim([run.id]) as session:
        session.publish_runs([records])
    path = export(kept.store, run.id, "safetensors", tmp_path / "w.safetensors")
    assert list(safetensors.numpy.load_file(path)) == ["w"]
    with pytest.raises(ValueError, match="no PyTorch class for the model LSTM yet, only for MLP and Transf"):
        export(kept.store, run.id, "torch", tmp_path / "t.safetensors")
    with pytest.raises(ValueError, match="the model is of kind LSTM, not Transformer, so .* Try --to torch"):
        export(kept.store, run.id, "transformer-lens", tmp_path / "t.safetensors")
    assert not list(tmp_path.glob("t.*"))


# --- PyTorch ----------------------------------------------------------------------------------------


def load_module(path) -> typing.Any:
    """An exported Python file, as a module."""
    spec = importlib.util.spec_from_file_location("exported", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", MLPS | TRANSFORMERS)
def test_the_torch_module_computes_the_same_outputs(name, tmp_path):
    torch = pytest.importorskip("torch")
    kept = keep(tmp_path / "s", (MLPS | TRANSFORMERS)[name])
    path = export(kept.store, None, "torch", tmp_path / "net.safetensors")
    model = load_module(path.with_suffix(".py")).load()
    with torch.no_grad():
        outputs = model(torch.tensor(kept.inputs)).numpy()
    assert outputs.dtype == kept.outputs.dtype
    assert error(outputs, kept) < (TOLERANCE if outputs.dtype == np.float32 else 1e-12)
    own = sum(leaf.size for leaf in kept.parameters.values())
    copies = 2 if kept.run.experiment.parametrisation.centred and "lazy" in name else 1
    assert sum(leaf.numel() for leaf in model.parameters()) == copies * own


FRESH = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("afterfit", "jax", "equinox"):
            raise ImportError(f"{name} is not to be used here")

sys.meta_path.insert(0, Blocked())
import numpy as np, torch
import net
inputs = torch.tensor(np.load("inputs.npy"))
np.save("outputs.npy", net.load()(inputs).detach().numpy())
"""


@pytest.mark.parametrize("name", ["tokens", "power"])
def test_a_fresh_process_needs_no_afterfit(name, tmp_path):
    pytest.importorskip("torch")
    kept = keep(tmp_path / "s", (MLPS | TRANSFORMERS)[name])
    export(kept.store, None, "torch", tmp_path / "net.safetensors")
    np.save(tmp_path / "inputs.npy", kept.inputs)
    subprocess.run([sys.executable, "-c", FRESH], cwd=tmp_path, check=True, timeout=120)
    assert error(np.load(tmp_path / "outputs.npy"), kept) < TOLERANCE


def test_every_activation_has_its_twin(tmp_path):
    torch = pytest.importorskip("torch")
    kept = keep(tmp_path / "s", MLPS["clauw"])
    twins = load_module(export(kept.store, None, "torch", tmp_path / "net.safetensors").with_suffix(".py"))
    assert twins.ACTIVATIONS.keys() == ACTIVATIONS.keys()
    x = np.linspace(-8, 8, 161, dtype=np.float32)
    for name, function in ACTIVATIONS.items():
        got = twins.ACTIVATIONS[name](torch.tensor(x)).numpy()
        np.testing.assert_allclose(got, function(jnp.asarray(x)), rtol=1e-5, atol=1e-6, err_msg=name)


def test_code_of_others_is_never_replaced(tmp_path):
    kept = keep(tmp_path / "s", MLPS["clauw"])
    (tmp_path / "net.py").write_text("print('mine')")
    with pytest.raises(ValueError, match="net.py, which no export has written: choose another --output"):
        export(kept.store, None, "torch", tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match="is for the weights: end its name in .safetensors"):
        export(kept.store, None, "torch", tmp_path / "net.py")
    assert (tmp_path / "net.py").read_text() == "print('mine')"
    assert not (tmp_path / "net.safetensors").exists()
    for _ in range(2):  # its own file it replaces
        export(kept.store, None, "torch", tmp_path / "other.safetensors")


# --- TransformerLens --------------------------------------------------------------------------------


def hooked_transformer(torch: typing.Any, p: dict, config: dict, tokens: typing.Any) -> typing.Any:
    """The forward pass of a `HookedTransformer` without norms, from its source (TransformerLens 3.9)."""
    act = {"relu": torch.relu, "gelu_new": lambda x: torch.nn.functional.gelu(x, approximate="tanh")}
    x = p["embed.W_E"][tokens] + p["pos_embed.W_pos"][: tokens.shape[1]]
    hidden = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool).triu(1)
    for index in range(config["n_layers"]):
        block = {
            name.split(".", 2)[2]: leaf for name, leaf in p.items() if name.startswith(f"blocks.{index}.")
        }
        q, k, v = (
            torch.einsum("bpd,ndh->bpnh", x, block[f"attn.W_{one}"]) + block[f"attn.b_{one}"] for one in "QKV"
        )
        scores = torch.einsum("bqnh,bknh->bnqk", q, k) / config["d_head"] ** 0.5
        pattern = scores.masked_fill(hidden, -torch.inf).softmax(-1)
        z = torch.einsum("bnqk,bknh->bqnh", pattern, v)
        x = x + torch.einsum("bqnh,nhd->bqd", z, block["attn.W_O"]) + block["attn.b_O"]
        pre = x @ block["mlp.W_in"] + block["mlp.b_in"]
        x = x + act[config["act_fn"]](pre) @ block["mlp.W_out"] + block["mlp.b_out"]
    return x @ p["unembed.W_U"] + p["unembed.b_U"]


def exported_lens(kept: Kept, folder) -> tuple[dict, dict, np.ndarray]:
    """State dict, configuration, and the tokens that the network reads for the inputs."""
    path = export(kept.store, None, "transformer-lens", folder / "lens.safetensors")
    with safetensors.safe_open(path, "np") as file:
        config = json.loads(file.metadata()["config"])
    a, b = kept.inputs.T
    equals = np.full_like(a, config["d_vocab"] - 1)
    tokens = [a, b, equals] if config["n_ctx"] == 3 else [a, equals - 1, b, equals]
    return safetensors.numpy.load_file(path), config, np.stack(tokens, axis=1)


@pytest.mark.parametrize("name", LENS)
def test_a_hooked_transformer_computes_the_same_logits(name, tmp_path):
    torch = pytest.importorskip("torch")
    kept = keep(tmp_path / "s", LENS[name])
    state, config, tokens = exported_lens(kept, tmp_path)
    tensors = {name: torch.tensor(array) for name, array in state.items()}
    logits = hooked_transformer(torch, tensors, config, torch.tensor(tokens, dtype=torch.long))
    assert error(logits[:, -1].numpy(), kept) < TOLERANCE


def hasattr_quietly(module: typing.Any, name: str) -> bool:
    try:
        return hasattr(module, name)
    except ImportError:  # what TransformerLens 4 raises for the names that it had
        return False


@pytest.mark.filterwarnings("ignore")  # of the library
@pytest.mark.parametrize("name", LENS)
def test_transformer_lens_itself_computes_the_same_logits(name, tmp_path):
    torch, lens = pytest.importorskip("torch"), pytest.importorskip("transformer_lens")
    if not hasattr_quietly(lens, "HookedTransformer"):
        pytest.skip("TransformerLens 4 has no HookedTransformer any more")
    kept = keep(tmp_path / "s", LENS[name])
    state, config, tokens = exported_lens(kept, tmp_path)
    model = lens.HookedTransformer(lens.HookedTransformerConfig(**config))
    missing, unexpected = model.load_state_dict({k: torch.tensor(v) for k, v in state.items()}, strict=False)
    assert not unexpected and {name.split(".")[-1] for name in missing} <= {"mask", "IGNORE"}
    with torch.no_grad():
        logits = model(torch.tensor(tokens, dtype=torch.long))[:, -1]
    assert error(logits.cpu().numpy(), kept) < TOLERANCE


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("power", "the model normalises the sums"),
        ("odd", "the model normalises the sums"),
        ("clauw", "the model is of kind MLP, not Transformer"),
        ("lazy transformer", "the trained function is the difference of two networks"),
    ],
)
def test_what_is_no_hooked_transformer(name, message, tmp_path):
    kept = keep(tmp_path / "s", (MLPS | TRANSFORMERS)[name])
    with pytest.raises(ValueError, match=f"{message}.* nanda_transformer\\(\\) is"):
        export(kept.store, None, "transformer-lens", tmp_path / "lens.safetensors")


# --- which network ----------------------------------------------------------------------------------


def test_which_run_and_which_step(tmp_path):
    kept = keep(tmp_path / "s", MLPS["clauw"])
    other = keep(tmp_path / "s", MLPS["linear"])

    def refused(message: str, run: str | None, **more: typing.Any) -> None:
        with pytest.raises(ValueError, match=message):
            export(kept.store, run, "torch", tmp_path / "net.safetensors", **more)

    refused(f"(?s)Which of 2 runs\\? Name one.*{kept.run.id[:12]}  model", None)
    refused("Which run is 'zz'\\? there is none.\n", "zz")
    refused("keeps no snapshot of step 7, but of 0, 20", kept.run.id, step=7)
    with pytest.raises(ValueError, match="a step chooses a network, and csv holds records"):
        export(kept.store, other.run.id, "csv", tmp_path / "out.csv", step=7)
    assert [file.name for file in tmp_path.iterdir()] == ["s"]


def test_a_run_without_snapshots(tmp_path):
    run = Run(dataclasses.replace(MLPS["clauw"], snapshots=None), Seeds.of(0))
    with Store(tmp_path / "s").claim([run.id]) as session:
        session.publish_runs([RunRecords(run.id, run.recipe, np.array([0]), {}, "done", STEP)])
    with pytest.raises(
        ValueError, match="keeps no snapshots: give its .* `snapshots=af.At\\(\\(0, 20\\)\\)`"
    ):
        export(tmp_path / "s", None, "safetensors", tmp_path / "net.safetensors")


def test_a_store_without_runs(tmp_path):
    Store(tmp_path / "s")
    with pytest.raises(ValueError, match="holds no finished run yet"):
        export(tmp_path / "s", None, "safetensors", tmp_path / "net.safetensors")
