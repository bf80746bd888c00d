"""The command `afterfit`. Nothing heavy is imported before a command needs it."""

import argparse
import difflib
import pathlib
import signal
import sys
import tomllib
import typing
from collections.abc import Sequence


DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0 done, 1 failed runs or claims, 2 bad input."""
    parser = _parser()
    words = sys.argv[1:] if arguments is None else list(arguments)
    _suggest_command(words)
    options = parser.parse_args(words)
    if options.command is None:
        parser.print_help()
        return DONE
    # A polite kill is an interruption like any other: it leaves a resume point behind.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return options.command(options)
    except KeyboardInterrupt:
        print("stopped; start the same command again to go on from here", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `afterfit list | head`
        return DONE
    except (ValueError, OSError) as error:
        print(f"afterfit: {error}", file=sys.stderr)
        return BAD_INPUT


def _interrupt(number: int, frame: typing.Any) -> None:
    del number, frame
    raise KeyboardInterrupt


def _suggest_command(words: list[str]) -> None:
    if words and not words[0].startswith("-") and words[0] not in _COMMANDS:
        close = difflib.get_close_matches(words[0], _COMMANDS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(_COMMANDS)}"
        print(f"afterfit: unknown command {words[0]!r}: {hint}", file=sys.stderr)
        raise SystemExit(BAD_INPUT)


# --- commands -----------------------------------------------------------------------------------


def _demo(options: argparse.Namespace) -> int:
    from ._demo import demo

    return _train_and_report(demo(options.scale), options)


def _run(options: argparse.Namespace) -> int:
    from .ensemble import read_recipe

    return _train_and_report(read_recipe(options.recipe, _settings(options.set)), options)


def _train_and_report(planned: typing.Any, options: argparse.Namespace) -> int:
    from .report import summary, write_page

    count = len(planned.runs)
    print(f"{planned.title}: {count} run{'s' * (count != 1)}, results in {options.store}")
    data = planned.run(options.store, resume_every=options.resume_every)
    print(summary(data))
    page = write_page(
        data, pathlib.Path(options.store) / "report.html", title=planned.title, about=planned.about
    )
    print(f"report: {page}")
    return FAILED if (data["outcome"] == "failed").any() else DONE


def _list(options: argparse.Namespace) -> int:
    from .tasks import operations
    from .training import kinds

    shown: dict[str, dict[str, str]] = {"operations": operations()}
    for title, room, suffix in _ROOMS:
        shown[title] = {
            name: (value.__doc__ or "").strip().split("\n")[0]
            for name, value in kinds(f"afterfit.{room}").items()
            if suffix(name, value)
        }
    wanted = options.what or list(shown)
    for title in wanted:
        print(f"{title}")
        width = max(map(len, shown[title]), default=0)
        for name, line in shown[title].items():
            print(f"  {name:<{width}}  {line}")
    return DONE


def _status(options: argparse.Namespace) -> int:
    from .report import describe_status
    from .store import Store

    print(describe_status(Store(pathlib.Path(options.store), create=False, readonly=True).status()))
    return DONE


def _report(options: argparse.Namespace) -> int:
    from .report import summary, write_page
    from .store import open_dataset

    data = open_dataset(options.store)
    print(summary(data))
    target = options.output or pathlib.Path(options.store) / "report.html"
    print(f"report: {write_page(data, target, title=data.attrs.get('title', str(options.store)))}")
    return DONE


def _export(options: argparse.Namespace) -> int:
    from .report import export

    print(export(options.store, options.run, options.to, options.output))
    return DONE


def _doctor(options: argparse.Namespace) -> int:
    del options
    from ._doctor import doctor

    print(doctor())
    return DONE


_ROOMS = (
    ("tasks", "tasks", lambda name, value: hasattr(value, "data")),
    ("models", "models", lambda name, value: hasattr(value, "build")),
    ("optimisers", "training", lambda name, value: hasattr(value, "direction")),
    ("probes", "probes", lambda name, value: True),
)


# --- the parser ---------------------------------------------------------------------------------


def _settings(assignments: Sequence[str]) -> dict[str, typing.Any]:
    """`KEY=VALUE` pairs; a value is TOML, or a plain word."""
    changes = {}
    for assignment in assignments:
        name, sign, text = assignment.partition("=")
        if not sign or not name:
            raise ValueError(
                f"--set needs KEY=VALUE, got {assignment!r}; e.g. --set optimiser.weight_decay=0.3"
            )
        try:
            changes[name.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            changes[name.strip()] = text
    return changes


def _seconds(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"must be positive, got {text}")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="afterfit", description="A laboratory for grokking.")
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    parser.set_defaults(command=None)
    for name, (function, line, example, arguments) in _COMMANDS.items():
        command = commands.add_parser(
            name,
            help=line,
            description=line,
            epilog=f"example: {example}",
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        command.set_defaults(command=function)
        for flags, settings in arguments:
            command.add_argument(*flags, **settings)
    return parser


def _version() -> str:
    from . import __version__

    return f"afterfit {__version__}"


def _argument(*flags: str, **settings: typing.Any) -> tuple[tuple[str, ...], dict[str, typing.Any]]:
    return flags, settings


_STORE = _argument("store", metavar="STORE", help="a folder that holds results")
_RESUME = _argument(
    "--resume-every", type=_seconds, default=15.0, metavar="SECONDS", help="time between resume points"
)

_COMMANDS: dict[str, tuple] = {
    "demo": (
        _demo,
        "train the default experiment until it groks, then write report.html",
        "afterfit demo --store demo",
        [
            _argument("--store", default="afterfit-demo", metavar="DIR", help="where results go"),
            _argument(
                "--scale", choices=("smoke", "laptop"), default="laptop", help="smoke: seconds, to try it out"
            ),
            _RESUME,
        ],
    ),
    "run": (
        _run,
        "train an experiment or a sweep; what the store has already is not run again",
        "afterfit run recipe.toml --set optimiser.weight_decay=0.3 --store runs",
        [
            _argument(
                "recipe", metavar="RECIPE.toml", help="the experiment, with an [axes] table for a sweep"
            ),
            _argument(
                "--set",
                action="append",
                default=[],
                metavar="KEY=VALUE",
                help="change one field; may be repeated",
            ),
            _argument("--store", default="runs", metavar="DIR", help="where results go"),
            _RESUME,
        ],
    ),
    "list": (
        _list,
        "operations, tasks, models, optimisers, probes",
        "afterfit list operations",
        [
            _argument(
                "what",
                nargs="*",
                metavar="WHAT",
                choices=("operations", "tasks", "models", "optimisers", "probes", []),
                help="operations, tasks, models, optimisers or probes; all without one",
            )
        ],
    ),
    "status": (
        _status,
        "runs of a store: done, running, waiting, diverged; speed and time left",
        "afterfit status runs",
        [_STORE],
    ),
    "report": (
        _report,
        "a self-contained HTML page of a store that works offline",
        "afterfit report runs --output report.html",
        [
            _STORE,
            _argument("--output", type=pathlib.Path, metavar="FILE", help="by default STORE/report.html"),
        ],
    ),
    "export": (
        _export,
        "records of a store in a common format",
        "afterfit export runs --to csv --output curves.csv",
        [
            _STORE,
            _argument(
                "run", nargs="?", metavar="RUN", help="one run's id, or its beginning; all without one"
            ),
            _argument("--to", choices=("csv", "parquet", "netcdf"), required=True, help="the format"),
            _argument("--output", type=pathlib.Path, metavar="FILE", help="by default named after the store"),
        ],
    ),
    "doctor": (
        _doctor,
        "what this machine has, and what is missing and how to get it",
        "afterfit doctor",
        [],
    ),
}
