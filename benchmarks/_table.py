"""What a benchmark found, as text, as a page of the documentation and as data."""

import dataclasses
import json
import os
import pathlib
import platform
import time
import typing


@dataclasses.dataclass(frozen=True)
class Table:
    """A benchmark's outcome.

    **Fields:** what was measured, in a sentence; head and rows as text; all figures as plain data; notes.
    """

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    figures: typing.Any
    notes: tuple[str, ...] = ()

    @property
    def markdown(self) -> str:
        """As the documentation shows it."""
        lines = [
            f"## {self.title}",
            "",
            _line(self.head),
            _line("---" for _ in self.head),
            *map(_line, self.rows),
        ]
        return "\n".join([*lines, *(f"\n{note}" for note in self.notes)]) + "\n"

    def write(self, folder: pathlib.Path, name: str) -> None:
        """Keeps the table and its figures."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.md").write_text(self.markdown)
        written = {"machine": machine(), "figures": self.figures}
        (folder / f"{name}.json").write_text(json.dumps(written, indent=1) + "\n")


def machine() -> dict[str, typing.Any]:
    """What was measured on."""
    import jax

    return {
        "python": platform.python_version(),
        "jax": jax.__version__,
        "cores": os.cpu_count(),
        "devices": f"{jax.local_device_count()} x {jax.local_devices()[0].device_kind}",
        "load": round(os.getloadavg()[0], 1),
        "date": time.strftime("%Y-%m-%d"),
    }


def duration(seconds: float) -> str:
    """Seconds with a unit that suits them."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.0f} us"


def _line(cells: typing.Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
