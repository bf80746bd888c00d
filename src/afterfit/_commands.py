"""What each command of `afterfit` does. Rooms are imported when a command needs them."""

import argparse
import contextlib
import os
import pathlib
import sys
import threading
import tomllib
import typing
import webbrowser
from collections.abc import Generator, Sequence


DONE, FAILED = 0, 1
_MOST_REPORTED = 20_000  # runs: those of a larger sweep need not fit into the memory of who trains it


def tell(line: str) -> None:
    """Says something that is no result."""
    with contextlib.suppress(OSError):  # nobody listens
        print(line, file=sys.stderr, flush=True)


def how_to_go_on(store: str | os.PathLike) -> str:
    """What an interrupted command says of its store."""
    return (
        f"{store} keeps what was trained: start the same command again to go on, "
        f"or look at it: afterfit view {store}"
    )


def demo(options: argparse.Namespace) -> int:
    """Trains the default experiment."""
    from ._demo import demo as default_sweep

    return _train_and_report(default_sweep(options.scale), options)


def run(options: argparse.Namespace) -> int:
    """Trains what a recipe describes."""
    if options.on:
        _leave_gpus()
    from .ensemble import read_recipe

    return _train_and_report(read_recipe(options.recipe, _settings(options.set)), options)


def _train_and_report(planned: typing.Any, options: argparse.Namespace) -> int:
    from .ensemble import silent
    from .report import making, summary, write_page

    display = _display()
    count = len(planned.runs)
    tell(f"{planned.title}: {count} run{'s' * (count != 1)}, results in {options.store}")
    options.resumes = how_to_go_on(options.store)
    try:
        with _watched(options):
            executor = _workers(options)
            planned.train(
                options.store, display=display, resume_every=options.resume_every, executor=executor
            )
    except Exception as error:
        from ._failure import describe_failure, own_frames

        if isinstance(error, (ValueError, OSError)) and not own_frames(error):
            raise
        tell(f"afterfit: a run failed: {describe_failure(error)}")
        tell(f"{options.store} keeps what was trained: mend this and start the same command again.")
        return FAILED
    if count > _MOST_REPORTED:
        tell(f"No report of so many runs, unless you ask for it: afterfit report {options.store}")
        return status(options)
    data = planned.run(options.store, display=silent)
    print(summary(data))
    page = _page(options.store)
    about = {**planned.about, **making(options.store, data, recipes=False)}
    print(f"report: {write_page(data, page, title=planned.title, about=about)}")
    return FAILED if (data["outcome"] == "failed").any() else DONE


def _display() -> typing.Any:
    """Shows progress on the terminal."""
    from .ensemble import Terminal

    terminal = Terminal()

    def display(progress: typing.Any) -> None:
        with contextlib.suppress(OSError):  # nobody watches: train on
            terminal(progress)

    return display


def _leave_gpus() -> None:
    """Who only sends work, or looks, takes no GPU from those who train; to be said before JAX starts."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")


def _workers(options: argparse.Namespace) -> typing.Any:
    """The executor of `--on`, if there is one."""
    if not getattr(options, "on", None):
        return None
    from .ensemble import connect

    return connect(options.on)


def worker(options: argparse.Namespace) -> int:
    """Trains a shard of what a recipe describes, then what nobody else has taken."""
    from ._failure import describe_failure
    from .ensemble import attend, read_recipe

    planned = read_recipe(options.recipe, _settings(options.set))
    options.resumes = how_to_go_on(options.store)
    index, count = options.shard
    found = attend(
        planned.runs, options.store, index, count, display=_display(), resume_every=options.resume_every
    )
    total = len({run.id for run in planned.runs})
    others = f", {found.held} in training by other processes" if found.held else ""
    print(f"{found.stored} of {total} runs stored{others}")
    for run, error in found.failed.items():
        tell(f"afterfit: run {run} failed: {describe_failure(error)}")
    return FAILED if found.failed else DONE


def cluster(options: argparse.Namespace) -> int:
    """Prints a job script."""
    from ._jobs import job

    print(job(options), end="")
    return DONE


def reproduce(options: argparse.Namespace) -> int:
    """Runs and judges the figures of a paper."""
    if options.on:
        _leave_gpus()
    from .report import write_study_page
    from .studies import find_figures, reproduce as run_figures, verdict_table

    study, figures = find_figures(options.paper)
    output = options.output or pathlib.Path("results") / study.name / options.scale
    options.resumes = how_to_go_on(options.store)
    with _watched(options, output):
        verdicts = run_figures(
            study,
            figures,
            options.scale,
            store=options.store,
            output=output,
            tell=tell,
            after=lambda folder: write_study_page(folder, study=study),
            style=options.style,
            executor=_workers(options),
        )
    print(verdict_table(verdicts))
    print(f"charts, tables and verdicts: {output / 'index.html'}")
    return FAILED if any(row["verdict"] == "fails" for row in verdicts) else DONE


def list_names(options: argparse.Namespace) -> int:
    """Prints what recipes may name."""
    from . import models, probes, studies, tasks, training
    from .training import kinds

    papers = studies.studies()
    shown = {
        "papers": {name: study.title for name, study in papers.items()},
        "figures": {
            f"{name}/{figure.name}": figure.title
            for name, study in papers.items()
            for figure in study.figures
        },
        "operations": tasks.operations(),
        "tasks": _first_lines(kinds(tasks.__name__, (tasks.AbstractTask,))),
        "models": _first_lines(kinds(models.__name__, (models.AbstractArchitecture,))),
        "optimisers": _first_lines(kinds(training.__name__, (training.AbstractOptimiser,))),
        "constraints": _first_lines(kinds(training.__name__, (training.AbstractConstraint,))),
        "probes": _first_lines(kinds(probes.__name__)),
    }
    for title in options.what or shown:
        print(title)
        width = max(map(len, shown[title]))
        for name, line in shown[title].items():
            print(f"  {name:<{width}}  {line}")
    return DONE


def _first_lines(definitions: dict[str, typing.Any]) -> dict[str, str]:
    return {name: (definitions[name].__doc__ or "").strip().split("\n")[0] for name in sorted(definitions)}


def status(options: argparse.Namespace) -> int:
    """Prints what a store is doing."""
    from .report import describe_status
    from .report._status import describe_failed
    from .store import Store

    store = Store(options.store, create=False, readonly=True)
    told = store.status()
    print(describe_status(told))
    if told.counts.get("failed"):
        print(describe_failed(store.runs()))
    return DONE


def view(options: argparse.Namespace) -> int:
    """Serves the live page of a store until it is interrupted."""
    _leave_gpus()
    with _served(options, options.outcomes), contextlib.suppress(KeyboardInterrupt):
        tell("Ctrl-C ends it.")
        threading.Event().wait()
    return DONE


@contextlib.contextmanager
def _served(options: argparse.Namespace, outcomes: pathlib.Path | None) -> Generator[None]:
    """The live page of the store, for the length of a `with` block."""
    from .report import live_page

    with live_page(options.store, host=options.host, port=options.port, outcomes=outcomes) as address:
        print(f"live page: {address}", flush=True)
        if options.browser and _has_screen():
            webbrowser.open(address)
        yield


def _has_screen() -> bool:
    """Whether a browser would open a window here, and not take over the terminal."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@contextlib.contextmanager
def _watched(options: argparse.Namespace, outcomes: pathlib.Path | None = None) -> Generator[None]:
    """The live page beside a training, if it is asked for."""
    if not options.live:
        yield
        return
    from .store import Store

    Store(options.store)  # the page needs one to look at before the first run is there
    with _served(options, outcomes):
        yield
    tell(f"The live page has ended; afterfit view {options.store} shows it again.")


def _page(store: str) -> pathlib.Path:
    """Where the report of a store goes: beside the packs, on this machine."""
    from .report._aside import inside
    from .store import Store

    return inside(Store(store, create=False, readonly=True).path, "report.html")


def report(options: argparse.Namespace) -> int:
    """Writes the page of a store, or of a study's outcome."""
    from .report import making, summary, write_page, write_study_page
    from .store import open_dataset

    if (pathlib.Path(options.store) / "verdicts.json").is_file():
        print(f"report: {write_study_page(pathlib.Path(options.store), path=options.output)}")
        return DONE
    data = open_dataset(options.store)
    print(summary(data))
    page = options.output or _page(options.store)
    about = making(options.store, data)
    print(f"report: {write_page(data, page, title=data.attrs['title'], about=about)}")
    return DONE


def figure(options: argparse.Namespace) -> int:
    """Draws a measure of a store."""
    from .report import learning_curves
    from .report._picture import pooled_axes
    from .store import open_dataset

    name = f"{options.measure.replace('/', '-')}.{options.to or 'svg'}"
    output = options.output or pathlib.Path(name)
    if options.to and output.suffix != f".{options.to}":
        raise ValueError(
            f"{output} would hold {options.to}: end its name in .{options.to}, or leave out --to."
        )
    data = open_dataset(options.store)
    print(learning_curves(data, output, measure=options.measure, style=options.style, width=options.width))
    if pooled := pooled_axes(data):
        tell(f"Thick lines are medians over {' and '.join(pooled)}. In Python, `data.sel(...)` draws a part.")
    return DONE


def export(options: argparse.Namespace) -> int:
    """Writes the records of a store, or the network of a run."""
    from .report import export as write

    written = write(
        options.store, options.run, options.to, options.output, step=options.step, own_code=options.own_code
    )
    print(written)
    if options.to == "torch":
        print(written.with_suffix(".py"))
    if written.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(written, "numpy") as file:
            about = file.metadata()
        tell(f"the network of run {about['run'][:12]} at step {about['step']} of {about['last_step']}")
    return DONE


def doctor(options: argparse.Namespace) -> int:
    """Prints what this machine has."""
    from ._doctor import doctor as look

    del options
    print(look())
    return DONE


def _settings(assignments: Sequence[str]) -> dict[str, typing.Any]:
    """`KEY=VALUE` pairs; a value is TOML, or a plain word."""
    changes = {}
    for assignment in assignments:
        name, sign, text = (part.strip() for part in assignment.partition("="))
        if not sign or not name:
            raise ValueError(
                f"--set needs KEY=VALUE, got {assignment!r}; e.g. --set optimiser.weight_decay=0.3"
            )
        try:
            changes[name] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            changes[name] = text
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, a very deep list
            raise ValueError(f"{name}: its value cannot be read: {error}") from error
    return changes
