"""What people see: experiments, sweeps and progress, in a terminal and in a notebook."""

import subprocess
import sys
import types

import pytest

import afterfit as af
from afterfit.ensemble import Progress, Terminal
from afterfit.probes import gradient_norm


TASK = af.tasks.BinaryOperation("x/y", modulus=7, fraction=0.5)
PLAIN = af.Experiment(task=TASK, model=af.models.MLP(hidden=(8,)))


def test_a_short_experiment_is_one_line_of_what_differs():
    assert repr(PLAIN) == f"Experiment(task={_task(PLAIN)}, model=MLP(hidden=(8,)))"
    assert "optimiser" not in repr(PLAIN) and "steps" not in repr(PLAIN)


def _task(experiment):
    return f"BinaryOperation(operation={experiment.task.operation!r}, modulus=7)"


def test_a_long_one_has_a_line_for_each_field():
    experiment = af.Experiment(
        task=TASK,
        model=af.models.MLP(hidden=(8,)),
        optimiser=af.AdamW(weight_decay=0.25),
        steps=77,
        probes=(gradient_norm,),
    )
    assert repr(experiment).splitlines() == [
        "Experiment(",
        f"    task={_task(experiment)},",
        "    model=MLP(hidden=(8,)),",
        "    optimiser=AdamW(weight_decay=0.25),",
        "    steps=77,",
        "    probes=(gradient_norm,),",
        ")",
    ]
    names = {**vars(af.tasks), **vars(af.models), **vars(af.training), "gradient_norm": gradient_norm}
    assert eval(repr(experiment), names) == experiment


def test_long_values_are_cut():
    table = af.Experiment(task=TASK, model=af.models.MLP(hidden=(16,) * 100))
    assert len(max(repr(table).splitlines(), key=len)) < 110 and "…" in repr(table)


def test_a_sweep_counts_its_runs():
    plan = af.sweep(PLAIN, {"optimiser.weight_decay": [0.1, 1.0], "seed": range(20)})
    assert repr(plan).splitlines() == [
        "Sweep of 40 runs",
        "    optimiser.weight_decay: 0.1, 1.0",
        "    seed: 0, 1, 2, 3, 4, 5, ..., 19 (20 values)",
        repr(PLAIN),
    ]
    assert repr(af.sweep(PLAIN)).startswith("Sweep of 1 run\nExperiment(")


def test_a_notebook_gets_tables_without_code():
    named = {"<b>&": {"<i>": {"steps": 3}}}
    text = af.sweep(PLAIN, named)._repr_html_()
    assert "<b>" not in text and "&lt;b&gt;&amp;" in text and "&lt;i&gt;" in text
    assert ">task</th>" in text and "MLP(hidden=(8,))" in text


# --- progress -------------------------------------------------------------------------------------


@pytest.fixture(name="cell")
def _cell(monkeypatch):
    """What a notebook's cell shows: the lines of its outputs."""
    outputs = []

    class Output:
        def __init__(self):
            outputs.append(self)
            self.seen = []

        def update(self, content, raw):
            assert raw
            self.seen.append(content["text/plain"])

    def display(content, raw, display_id):
        assert display_id
        output = Output()
        output.update(content, raw)
        return output

    shell = types.SimpleNamespace(kernel=None)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=display))
    return outputs


def test_a_notebook_has_one_line_that_changes(cell, capsys):
    show = Terminal()
    for phase in ("preparing", "training", "done"):
        show(Progress(runs=3, phase=phase))
    (output,) = cell
    assert [line.split(" · ")[0] for line in output.seen] == ["0 of 3 runs"] * 3
    show(Progress(runs=5))  # another sweep has a line of its own
    assert len(cell) == 2 and cell[1].seen == ["0 of 5 runs · preparing"]
    assert capsys.readouterr() == ("", "")


def test_elsewhere_lines_are_plain(monkeypatch, cell, tmp_path):
    with (tmp_path / "log").open("w") as stream:
        Terminal(stream)(Progress(runs=3))  # a stream that somebody chose
    assert (tmp_path / "log").read_text() == "0 of 3 runs · preparing\n" and not cell
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: types.SimpleNamespace())
    Terminal()(Progress(runs=3))  # IPython in a terminal
    assert not cell


# --- the attribute of datasets ----------------------------------------------------------------------


def test_importing_is_light_and_what_a_sweep_returns_can_be_plotted():
    script = """
import sys
import afterfit as af
from afterfit import ensemble, report, store
print([name for name in ("xarray", "matplotlib") if name in sys.modules])
experiment = af.Experiment(af.tasks.BinaryOperation("x+y", modulus=5), af.models.MLP(hidden=(8,)), steps=3)
data = af.sweep(experiment, {"seed": [0, 1]}).run(display=ensemble.silent)
print([name for name in ("matplotlib",) if name in sys.modules])
figure = data.afterfit.plot("test_accuracy")
print(type(figure).__name__, figure.axes[0].get_ylabel())
print(data.isel(seed=0).afterfit.plot("weight_norm", style="talk", width="single").get_size_inches()[0])
try:
    data.afterfit.plot("weihgt_norm")
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "[]",
        "[]",
        "Figure test accuracy",
        "6.4",
        "no measure 'weihgt_norm' has one value a step: did you mean 'weight_norm'?",
    ]
    assert done.stderr == ""
