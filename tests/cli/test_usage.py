"""Help, names of commands and options, what goes where."""

import subprocess
import sys

import pytest

from afterfit.cli import main


COMMANDS = (
    "demo", "run", "worker", "cluster", "list", "status", "report", "figure", "view", "export", "doctor",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(afterfit, command):
    code, out, err = afterfit(command, "--help")
    assert (code, err) == (0, "")
    assert f"example:\n  afterfit {command}" in out


def test_help_lists_all_commands(afterfit):
    for words in ((), ("--help",)):
        code, out, _ = afterfit(*words)
        assert code == 0
        assert all(f"\n    {command}" in out for command in COMMANDS)


def test_help_imports_nothing_heavy():
    script = (
        "import sys; from afterfit.cli import main; main(['--help'])\n"
        "print([name for name in ('jax', 'pandas', 'matplotlib', 'xarray', 'numpy', 'pydantic', 'rich')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rnu"], "unknown command 'rnu': did you mean 'run'?"),
        (["zzz"], "unknown command 'zzz': there are: demo, run,"),
        (["--verison"], "unknown option '--verison': did you mean '--version'?"),
        (["run"], "required: RECIPE.toml"),
        (["run", "a.toml", "--stoer", "x"], "unknown option '--stoer': did you mean '--store'?"),
        (["run", "a.toml", "--stoer=x"], "unknown option '--stoer': did you mean '--store'?"),
        (["run", "a.toml", "--resume-every", "soon"], "positive number of seconds, got 'soon'"),
        (["run", "a.toml", "--resume-every", "0"], "positive number of seconds, got '0'"),
        (["run", "a.toml", "--resume-every", "nan"], "positive number of seconds, got 'nan'"),
        (
            ["worker", "s", "r.toml", "--shard", "0/3"],
            "needs I/N with I from 1 to N, such as 3/16, got '0/3'",
        ),
        (["worker", "s", "r.toml", "--shard", "3"], "needs I/N with I from 1 to N"),
        (["cluster", "slrum", "r.toml"], "unknown system 'slrum': did you mean 'slurm'?"),
        (["cluster", "slurm", "r.toml", "--jobs", "0"], "needs a positive whole number, got '0'"),
        (["cluster", "slurm", "r.toml", "--hours", "inf"], "needs a positive number of hours, got 'inf'"),
        (["demo", "--scale", "smok"], "unknown scale 'smok': did you mean 'smoke'?"),
        (["list", "taks"], "unknown list 'taks': did you mean 'tasks'?"),
        (["status"], "required: STORE"),
        (["status", "a", "b"], "one argument too many: 'b'"),
        (["export", "a"], "required: --to"),
        (["export", "a", "--to", "cvs"], "unknown format 'cvs': did you mean 'csv'?"),
    ],
)
def test_wrong_words(afterfit, words, message):
    code, out, err = afterfit(*words)
    assert (code, out) == (2, "")
    assert message in err


def test_list_says_what_there_is(afterfit):
    code, out, _ = afterfit("list")
    assert code == 0
    entries = [line.split("  ", 2) for line in out.splitlines() if line.startswith("  ")]
    names = {name for _, name, _ in entries}
    assert {
        "x/y",
        "BinaryOperation",
        "TableTask",
        "MLP",
        "Transformer",
        "AdamW",
        "KeepUnits",
        "gradient_norm",
    } <= names
    assert not names & {"CrossEntropy", "Data", "Frozen", "MLPModel", "LogSpaced", "Experiment"}
    assert all(len(line.strip()) > 10 for _, _, line in entries)
    code, out, _ = afterfit("list", "models", "probes")
    assert [line for line in out.splitlines() if not line.startswith(" ")] == ["models", "probes"]


def test_doctor_tells_of_a_platform_that_is_not_there(afterfit, monkeypatch):
    code, out, _ = afterfit("doctor")
    assert (code, "devices: 2 x cpu" in out) == (0, True)

    def refuse() -> None:
        raise RuntimeError("Unable to initialize backend 'cuda'")

    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    monkeypatch.setattr("jax.local_devices", refuse)
    code, out, _ = afterfit("doctor")
    assert code == 0
    assert "devices: none with JAX_PLATFORMS='cuda'; unset it" in out


def test_progress_and_results_go_apart(afterfit, written, tmp_path):
    code, out, err = afterfit("run", written(), "--store", tmp_path / "s")
    assert code == 0
    page = tmp_path / "s" / "report.html"
    assert out.splitlines() == [
        "This run had not fitted its training set by its last step, 20.",
        f"report: {page}",
    ]
    assert page.exists()
    assert "1 of 1 runs" in err


def test_training_goes_on_when_nobody_watches(written, tmp_path, monkeypatch, capsys):
    class Closed:
        def isatty(self) -> bool:
            return False

        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

        def flush(self) -> None:
            pass

    monkeypatch.setattr(sys, "stderr", Closed())
    assert main(["run", str(written()), "--store", str(tmp_path / "s")]) == 0
    assert "report: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("target", "code", "message"),
    [("pipe", 0, ""), ("/dev/full", 2, "afterfit: [Errno 28] No space left on device\n")],
)
def test_output_that_cannot_be_written(tmp_path, target, code, message):
    script = (
        "import sys\nfrom afterfit.cli import main\nfrom afterfit.store import Store\n"
        f"Store({str(tmp_path / 's')!r})\nsys.exit(main(['status', {str(tmp_path / 's')!r}]))"
    )
    words = [sys.executable, "-c", script]
    if target == "pipe":
        child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stdout is not None
        child.stdout.close()
    else:
        with open(target, "w") as full:
            child = subprocess.Popen(words, stdout=full, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    with child.stderr:
        told = child.stderr.read()
    assert (child.wait(), told) == (code, message)


def test_a_very_large_sweep_is_trained_without_a_report(afterfit, written, tmp_path, monkeypatch):
    recipe, store = written({"axes/seed": [0, 1]}), tmp_path / "s"
    monkeypatch.setattr("afterfit._commands._MOST_REPORTED", 1)
    code, out, err = afterfit("run", recipe, "--store", store)
    assert (code, out) == (0, "2 runs stored: 2 done\n")
    assert f"unless you ask for it: afterfit report {store}" in err
    assert not (store / "report.html").exists()
    assert afterfit("report", store).code == 0
