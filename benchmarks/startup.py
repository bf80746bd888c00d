"""How fast the command starts: processor time of `afterfit --help` beside that of `import pydantic`."""

import resource
import subprocess
import sys

from ._table import duration, Table


REPEATS = 15
PROGRAMS = {
    "python -c pass": "pass",
    "python -c 'import pydantic'": "import pydantic",
    "afterfit --help": "from afterfit.cli import main; main(['--help'])",
}


def processor_seconds(code: str) -> float:
    """Of one process, user and system time together, its start included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure() -> Table:
    """The shortest time of each program (company on the machine only adds), and the ratio."""
    # In turn, so that a busy spell of the machine meets all programs alike.
    rounds = [{name: processor_seconds(code) for name, code in PROGRAMS.items()} for _ in range(REPEATS)]
    shortest = {name: min(one[name] for one in rounds) for name in PROGRAMS}
    _, pydantic, command = shortest.values()
    rows: list[tuple[str, ...]] = [(f"`{name}`", duration(seconds)) for name, seconds in shortest.items()]
    rows.append(("ratio of the last two", f"{command / pydantic:.2f} (target: at most 3)"))
    return Table("Processor time of a start", ("program", "time"), rows, shortest)
