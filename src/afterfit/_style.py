"""Letters, lines and widths of charts: for a screen, for a column of a paper, for slides."""

import typing


if typing.TYPE_CHECKING:
    import matplotlib.figure

StyleName = typing.Literal["screen", "paper", "talk"]
WidthName = typing.Literal["single", "double"]
STYLES: tuple[StyleName, ...] = typing.get_args(StyleName)
WIDTHS: tuple[WidthName, ...] = typing.get_args(WidthName)

SETTINGS: dict[typing.Any, typing.Any] = {
    "svg.hashsalt": "afterfit",
    "pdf.fonttype": 42,  # letters that can be searched and edited; journals refuse type 3
}
NAMELESS: dict[str, dict[str, None]] = {
    "svg": {"Date": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""What a file would say of the day and the program, which differ where the picture does not."""


class _Style(typing.NamedTuple):  # no dataclass: the command line needs the names, and starts without them
    letters: float  # points
    lines: float  # times as thick as on a screen
    widths: dict[WidthName, float]  # inches


_STYLES: dict[StyleName, _Style] = {
    "paper": _Style(letters=7, lines=0.8, widths={"single": 3.4, "double": 7.0}),
    "talk": _Style(letters=16, lines=1.6, widths={"single": 6.4, "double": 12.8}),
}


def restyle(figure: "matplotlib.figure.Figure", style: StyleName, width: WidthName, letters: float) -> None:
    """Gives a picture drawn for the screen, with `letters` points, the letters, lines and width of a style.

    The picture keeps its proportions, and smaller letters stay smaller. On a screen it stays as it is.
    """
    import matplotlib.collections
    import matplotlib.lines
    import matplotlib.text
    import numpy as np

    if style == "screen":
        return
    chosen = _STYLES[style]
    larger = chosen.letters / letters
    texts = [text for text in figure.findobj(matplotlib.text.Text) if isinstance(text, matplotlib.text.Text)]
    sizes = [float(text.get_fontsize()) for text in texts]
    for axes in figure.axes:
        axes.tick_params(which="both", labelsize=chosen.letters)  # of ticks that only the new size brings
    for text, size in zip(texts, sizes, strict=True):
        text.set_fontsize(size * larger)
    for line in figure.findobj(matplotlib.lines.Line2D):
        if isinstance(line, matplotlib.lines.Line2D):
            line.set_linewidth(line.get_linewidth() * chosen.lines)
            line.set_markersize(line.get_markersize() * chosen.lines)
    for marks in figure.findobj(matplotlib.collections.Collection):
        if isinstance(marks, matplotlib.collections.Collection):
            marks.set_linewidth((np.atleast_1d(marks.get_linewidth()) * chosen.lines).tolist())
    before, height = figure.get_size_inches()
    inches = chosen.widths[width]
    figure.set_size_inches(inches, inches * height / before)
