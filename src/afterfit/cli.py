"""The command `afterfit`. Nothing heavy is imported before a command needs it."""

import argparse
import contextlib
import gc
import os
import pathlib
import signal
import sys
import threading
import typing
import warnings
from collections.abc import Generator, Sequence

from . import _commands
from ._arguments import count, one_of, port, positive, shard
from ._commands import DONE, tell
from ._style import STYLES, WIDTHS


BAD_INPUT, INTERRUPTED = 2, 130


def script() -> typing.NoReturn:
    """The process `afterfit`: `main`, and its exit code."""
    code = main()
    if code == INTERRUPTED:
        # A program may still be compiling in a thread of JAX's, which would crash the end of the interpreter.
        os._exit(code)
    sys.exit(code)


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

    collecting: list[str] = []  # garbage

    def watch(phase: str, info: typing.Any) -> None:
        del info
        collecting[:] = [phase] if phase == "start" else []

    def interrupt(number: int, frame: typing.Any) -> None:
        # What is raised while garbage is collected, in a finaliser say, is dropped: a moment later, then.
        if collecting or _in_jax_callback(frame):
            threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
        else:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = [one for one in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(one) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in heard}
    gc.callbacks.append(watch)
    try:
        yield
    finally:
        gc.callbacks.remove(watch)
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_jax_callback(frame: typing.Any) -> bool:
    """Whether a signal came in JAX's own callback, which may run after ours has seen the collection end."""
    while frame is not None:
        if frame.f_code.co_name == "_xla_gc_callback":
            return True
        frame = frame.f_back
    return False


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
            one_of("command", *_COMMANDS)(words[0])
    options, unknown = parser.parse_known_args(words)
    for word in unknown:
        with _as_usage_error(options.parser):
            if not word.startswith("-"):
                raise argparse.ArgumentTypeError(f"one argument too many: {word!r}")
            one_of("option", *options.flags)(word.partition("=")[0])
    return options


@contextlib.contextmanager
def _as_usage_error(parser: argparse.ArgumentParser) -> Generator[None]:
    try:
        yield
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))


def _version() -> str:
    from . import __version__

    return f"afterfit {__version__}"


def _argument(*flags: str, **settings: typing.Any) -> tuple[tuple[str, ...], dict[str, typing.Any]]:
    return flags, settings


_LISTS = ("papers", "figures", "operations", "tasks", "models", "optimisers", "constraints", "probes")
_SCALES = ("smoke", "laptop", "paper")
_SYSTEMS = ("slurm", "kubernetes")
_FORMATS = ("csv", "parquet", "netcdf", "safetensors", "torch", "transformer-lens")
_PICTURES = ("svg", "pdf", "png")

_STORE = _argument("store", metavar="STORE", help="a folder that holds results, or s3://BUCKET/NAME")
_RESUME = _argument(
    "--resume-every",
    type=positive("seconds"),
    default=15.0,
    metavar="SECONDS",
    help="time between resume points (default: %(default)s)",
)
_SERVER = [
    _argument("--host", default="127.0.0.1", help="of the page (default: %(default)s, this machine only)"),
    _argument("--port", type=port, help="of the live page (default: the first free one from 8765 on)"),
    _argument("--no-browser", dest="browser", action="store_false", help="open no browser"),
]
_LIVE = [_argument("--live", action="store_true", help="serve the live page meanwhile"), *_SERVER]
_STYLE = _argument(
    "--style",
    type=one_of("style", *STYLES),
    default="screen",
    metavar="|".join(STYLES),
    help="letters and width of charts (default: %(default)s)",
)
_RECIPE = _argument("recipe", metavar="RECIPE.toml", help="the experiment, with an [axes] table for a sweep")
_SET = _argument(
    "--set",
    action="append",
    default=[],
    metavar="KEY=VALUE",
    help="change one field, such as steps or task.fraction; may be repeated",
)
_ON = _argument(
    "--on",
    metavar="dask://HOST:PORT",
    help="let the workers of a dask scheduler train; they must reach the store by the same path",
)
_INTO = "where results go: a folder, or s3://BUCKET/NAME (default: %(default)s)"

_COMMANDS: dict[str, tuple] = {
    "demo": (
        _commands.demo,
        "train the default experiment until it groks, then write report.html",
        "afterfit demo --store demo",
        [
            _argument("--store", default="afterfit-demo", metavar="DIR", help=_INTO),
            _argument(
                "--scale",
                type=one_of("scale", *_SCALES[:2]),
                default="laptop",
                metavar="|".join(_SCALES[:2]),
                help="smoke: seconds, to try it out (default: %(default)s)",
            ),
            _RESUME,
            *_LIVE,
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
            _ON,
            _RESUME,
            *_LIVE,
        ],
    ),
    "worker": (
        _commands.worker,
        "train one shard of a sweep, then what nobody else has taken: for array jobs",
        "afterfit worker runs recipe.toml --shard 3/16",
        [
            _argument("store", metavar="STORE", help="where results go; all jobs share it"),
            _RECIPE,
            _argument(
                "--shard",
                type=shard,
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
                type=one_of("system", *_SYSTEMS),
                metavar="|".join(_SYSTEMS),
                help="what runs the jobs",
            ),
            _RECIPE,
            _SET,
            _argument("--store", default="runs", metavar="DIR", help=_INTO),
            _argument("--jobs", type=count, default=8, metavar="N", help="at once (default: %(default)s)"),
            _argument("--cpus", type=count, default=2, metavar="N", help="of a job (default: %(default)s)"),
            _argument("--gpus", type=count, metavar="N", help="of a job (default: none)"),
            _argument(
                "--memory", type=count, default=8, metavar="GB", help="of a job (default: %(default)s)"
            ),
            _argument(
                "--hours",
                type=positive("hours"),
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
                type=one_of("scale", *_SCALES),
                default="laptop",
                metavar="|".join(_SCALES),
                help="seconds, minutes on two cores, or the paper's own sizes (default: %(default)s)",
            ),
            _argument("--store", default="runs", metavar="DIR", help=_INTO),
            _argument(
                "--output",
                type=pathlib.Path,
                metavar="DIR",
                help="charts, tables, verdicts, and a page of them (default: results/PAPER/SCALE)",
            ),
            _ON,
            *_LIVE,
            _STYLE,
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
                type=one_of("list", *_LISTS),
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
        "a self-contained HTML page, that works offline, of a store or of a study's output",
        "afterfit report runs --output report.html",
        [
            _STORE,
            _argument(
                "--output",
                type=pathlib.Path,
                metavar="FILE",
                help="where the page goes (default: STORE/report.html; index.html beside verdicts)",
            ),
        ],
    ),
    "figure": (
        _commands.figure,
        "learning curves of a store as a picture for a paper or a talk",
        "afterfit figure runs --measure test_accuracy --to pdf --style paper --width single",
        [
            _STORE,
            _argument(
                "--measure",
                default="accuracy",
                metavar="NAME",
                help="what is drawn: accuracy, loss, test_accuracy, weight_norm, ... (default: %(default)s)",
            ),
            _argument(
                "--to",
                type=one_of("format", *_PICTURES),
                metavar="|".join(_PICTURES),
                help="the format (default: that of the ending of --output, or svg)",
            ),
            _STYLE,
            _argument(
                "--width",
                type=one_of("width", *WIDTHS),
                default="double",
                metavar="|".join(WIDTHS),
                help="one column of a paper or two, half a slide or a whole one (default: %(default)s)",
            ),
            _argument(
                "--output",
                type=pathlib.Path,
                metavar="FILE",
                help="where it goes (default: named after the measure, in this folder)",
            ),
        ],
    ),
    "view": (
        _commands.view,
        "the live page of a store: curves, phase diagrams, landscapes and verdicts as they grow",
        "afterfit view runs",
        [
            _STORE,
            _argument(
                "--outcomes",
                type=pathlib.Path,
                default="results",
                metavar="DIR",
                help="the outcomes of studies, whose verdicts are shown too (default: %(default)s)",
            ),
            *_SERVER,
        ],
    ),
    "export": (
        _commands.export,
        "records of a store, or the network of a run, in a common format",
        "afterfit export runs --to csv --output curves.csv\n  afterfit export runs 3f2a --to torch",
        [
            _STORE,
            _argument(
                "run",
                nargs="?",
                metavar="RUN",
                help="one run's id, or its beginning; records: all without one",
            ),
            _argument(
                "--to",
                type=one_of("format", *_FORMATS),
                required=True,
                metavar="|".join(_FORMATS),
                help="the format: the first three hold records, the others a network",
            ),
            _argument(
                "--step",
                type=int,
                metavar="STEP",
                help="of the snapshot that holds the network (default: the last)",
            ),
            _argument(
                "--own-code",
                action="store_true",
                help="import parts of your own that the recipe names: only of a store that you trust",
            ),
            _argument(
                "--output",
                type=pathlib.Path,
                metavar="FILE",
                help="where it goes (default: named after the store or the run, in this folder)",
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
