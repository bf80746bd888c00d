"""The command `afterfit`. Nothing heavy is imported before a command needs it."""

import argparse
import contextlib
import difflib
import math
import os
import pathlib
import signal
import sys
import threading
import typing
import warnings
from collections.abc import Callable, Generator, Sequence

from . import _commands
from ._commands import DONE, tell


BAD_INPUT, INTERRUPTED = 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0 done, 1 failed runs, 2 bad input, 130 interrupted.

    Results go to the standard output, progress and errors to the standard error.
    """
    try:
        options = _parse(sys.argv[1:] if arguments is None else list(arguments))
    except SystemExit as end:  # argparse has shown the help, or what is wrong
        return end.code if isinstance(end.code, int) else BAD_INPUT
    try:
        with _polite_kill(), _plain_warnings():
            code = options.command(options)
            sys.stdout.flush()  # a full disk shows here, not after the exit code
            return code
    except KeyboardInterrupt:
        tell(f"stopped; {options.resumes}" if options.resumes else "stopped")
        return INTERRUPTED
    except BrokenPipeError:  # `afterfit list | head`
        return DONE
    except (ValueError, OSError) as error:
        _complain(error)
        return BAD_INPUT
    finally:
        _let_go_of_output()


@contextlib.contextmanager
def _polite_kill() -> Generator[None]:
    """A polite kill is an interruption like any other: it leaves a resume point behind."""

    def interrupt(number: int, frame: typing.Any) -> None:
        del number, frame
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _plain_warnings() -> Generator[None]:
    """Warnings, of a damaged file for instance, without the line of code that noticed."""

    show: typing.Any = lambda message, *place, **more: tell(f"afterfit: warning: {message}")
    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _complain(error: Exception) -> None:
    text = str(error)
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        text = f"{error.filename}: {error.strerror}"
    for line in text.splitlines():
        tell(f"afterfit: {line}")


def _let_go_of_output() -> None:
    """What can no longer be written must not be tried again when Python ends, with an error of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


# --- the parser ---------------------------------------------------------------------------------


def _parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="afterfit", description="A laboratory for grokking.")
    parser.add_argument("--version", action="version", version=_version())
    parser.set_defaults(parser=parser, flags=["--help", "--version"])
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, (function, line, example, arguments) in _COMMANDS.items():
        command = commands.add_parser(
            name,
            help=line,
            description=line,
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        flags = [flag for given, _ in arguments for flag in given if flag.startswith("-")]
        command.set_defaults(command=function, parser=command, flags=["--help", *flags], resumes="")
        for given, settings in arguments:
            command.add_argument(*given, **settings)
    words = words or ["--help"]
    if not words[0].startswith("-"):
        with _as_usage_error(parser):
            _one_of("command", *_COMMANDS)(words[0])
    options, unknown = parser.parse_known_args(words)
    for word in unknown:
        with _as_usage_error(options.parser):
            if not word.startswith("-"):
                raise argparse.ArgumentTypeError(f"one argument too many: {word!r}")
            _one_of("option", *options.flags)(word.partition("=")[0])
    return options


@contextlib.contextmanager
def _as_usage_error(parser: argparse.ArgumentParser) -> Generator[None]:
    try:
        yield
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))


def _one_of(what: str, *names: str) -> Callable[[str], str]:
    """A check that a word is one of some names; the message has the nearest."""

    def check(word: str) -> str:
        if word in names:
            return word
        close = difflib.get_close_matches(word, names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(names)}"
        raise argparse.ArgumentTypeError(f"unknown {what} {word!r}: {hint}")

    return check


def _positive(unit: str) -> Callable[[str], float]:
    """A check that a word is a positive number."""

    def check(word: str) -> float:
        with contextlib.suppress(ValueError):
            if 0 < float(word) < math.inf:
                return float(word)
        raise argparse.ArgumentTypeError(f"needs a positive number of {unit}, got {word!r}")

    return check


def _count(text: str) -> int:
    with contextlib.suppress(ValueError):
        if int(text) > 0:
            return int(text)
    raise argparse.ArgumentTypeError(f"needs a positive whole number, got {text!r}")


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    with contextlib.suppress(ValueError):
        if 1 <= int(index) <= int(count):
            return int(index), int(count)
    raise argparse.ArgumentTypeError(f"needs I/N with I from 1 to N, such as 3/16, got {text!r}")


def _version() -> str:
    from . import __version__

    return f"afterfit {__version__}"


def _argument(*flags: str, **settings: typing.Any) -> tuple[tuple[str, ...], dict[str, typing.Any]]:
    return flags, settings


_LISTS = ("papers", "figures", "operations", "tasks", "models", "optimisers", "constraints", "probes")
_SCALES = ("smoke", "laptop", "paper")
_SYSTEMS = ("slurm", "kubernetes")
_FORMATS = ("csv", "parquet", "netcdf")

_STORE = _argument("store", type=pathlib.Path, metavar="STORE", help="a folder that holds results")
_RESUME = _argument(
    "--resume-every",
    type=_positive("seconds"),
    default=15.0,
    metavar="SECONDS",
    help="time between resume points (default: %(default)s)",
)
_RECIPE = _argument("recipe", metavar="RECIPE.toml", help="the experiment, with an [axes] table for a sweep")
_SET = _argument(
    "--set",
    action="append",
    default=[],
    metavar="KEY=VALUE",
    help="change one field, such as steps or task.fraction; may be repeated",
)
_INTO = "where results go (default: %(default)s)"

_COMMANDS: dict[str, tuple] = {
    "demo": (
        _commands.demo,
        "train the default experiment until it groks, then write report.html",
        "afterfit demo --store demo",
        [
            _argument("--store", default="afterfit-demo", metavar="DIR", help=_INTO),
            _argument(
                "--scale",
                type=_one_of("scale", *_SCALES[:2]),
                default="laptop",
                metavar="|".join(_SCALES[:2]),
                help="smoke: seconds, to try it out (default: %(default)s)",
            ),
            _RESUME,
        ],
    ),
    "run": (
        _commands.run,
        "train an experiment or a sweep; what the store has already is not run again",
        "afterfit run recipe.toml --set optimiser.weight_decay=0.3 --store runs",
        [
            _RECIPE,
            _SET,
            _argument("--store", default="runs", metavar="DIR", help=_INTO),
            _argument(
                "--on",
                metavar="dask://HOST:PORT",
                help="let the workers of a dask scheduler train; they must reach the store by the same path",
            ),
            _RESUME,
        ],
    ),
    "worker": (
        _commands.worker,
        "train one shard of a sweep, then what nobody else has taken: for array jobs",
        "afterfit worker runs recipe.toml --shard 3/16",
        [
            _argument(
                "store", type=pathlib.Path, metavar="STORE", help="where results go; all jobs share it"
            ),
            _RECIPE,
            _argument(
                "--shard",
                type=_shard,
                default=(1, 1),
                metavar="I/N",
                help="which of how many shards, from 1 (default: 1/1)",
            ),
            _SET,
            _RESUME,
        ],
    ),
    "cluster": (
        _commands.cluster,
        "print a job script or manifest that trains a sweep on many machines",
        "afterfit cluster slurm recipe.toml --store runs --jobs 16 --gpus 1 > job.sh",
        [
            _argument(
                "system",
                type=_one_of("system", *_SYSTEMS),
                metavar="|".join(_SYSTEMS),
                help="what runs the jobs",
            ),
            _RECIPE,
            _SET,
            _argument("--store", default="runs", metavar="DIR", help=_INTO),
            _argument("--jobs", type=_count, default=8, metavar="N", help="at once (default: %(default)s)"),
            _argument("--cpus", type=_count, default=2, metavar="N", help="of a job (default: %(default)s)"),
            _argument("--gpus", type=_count, metavar="N", help="of a job (default: none)"),
            _argument(
                "--memory", type=_count, default=8, metavar="GB", help="of a job (default: %(default)s)"
            ),
            _argument(
                "--hours",
                type=_positive("hours"),
                default=8.0,
                metavar="H",
                help="of a job (default: %(default)s)",
            ),
            _argument(
                "--image",
                default="afterfit",
                help="Kubernetes: an image in which afterfit is installed (default: %(default)s)",
            ),
            _argument(
                "--volume",
                default="afterfit",
                metavar="CLAIM",
                help="Kubernetes: the volume claim that holds recipe and store (default: %(default)s)",
            ),
            _argument(
                "--mount",
                default="/data",
                metavar="DIR",
                help="Kubernetes: where the volume is mounted, and where paths start (default: %(default)s)",
            ),
        ],
    ),
    "reproduce": (
        _commands.reproduce,
        "run the figures of a paper and judge its claims",
        "afterfit reproduce power2022/fig2-right --scale laptop",
        [
            _argument("paper", metavar="PAPER[/FIGURE]", help="see afterfit list papers figures"),
            _argument(
                "--scale",
                type=_one_of("scale", *_SCALES),
                default="laptop",
                metavar="|".join(_SCALES),
                help="seconds, minutes on two cores, or the paper's own sizes (default: %(default)s)",
            ),
            _argument("--store", default="runs", metavar="DIR", help=_INTO),
            _argument(
                "--output",
                type=pathlib.Path,
                metavar="DIR",
                help="charts, tables and verdicts (default: results/PAPER/SCALE)",
            ),
        ],
    ),
    "list": (
        _commands.list_names,
        "papers, figures, operations, tasks, models, optimisers, constraints, probes",
        "afterfit list operations",
        [
            _argument(
                "what",
                nargs="*",
                type=_one_of("list", *_LISTS),
                metavar="WHAT",
                help=f"{', '.join(_LISTS[:-1])} or {_LISTS[-1]}; all without one",
            )
        ],
    ),
    "status": (
        _commands.status,
        "runs of a store: done, running, waiting, diverged; speed and time left",
        "afterfit status runs",
        [_STORE],
    ),
    "report": (
        _commands.report,
        "a self-contained HTML page of a store that works offline",
        "afterfit report runs --output report.html",
        [
            _STORE,
            _argument(
                "--output",
                type=pathlib.Path,
                metavar="FILE",
                help="where the page goes (default: STORE/report.html)",
            ),
        ],
    ),
    "export": (
        _commands.export,
        "records of a store in a common format",
        "afterfit export runs --to csv --output curves.csv",
        [
            _STORE,
            _argument(
                "run", nargs="?", metavar="RUN", help="one run's id, or its beginning; all without one"
            ),
            _argument(
                "--to",
                type=_one_of("format", *_FORMATS),
                required=True,
                metavar="|".join(_FORMATS),
                help="the format",
            ),
            _argument(
                "--output",
                type=pathlib.Path,
                metavar="FILE",
                help="where it goes (default: named after the store, in this folder)",
            ),
        ],
    ),
    "doctor": (
        _commands.doctor,
        "what this machine has, and what is missing and how to get it",
        "afterfit doctor",
        [],
    ),
}
