"""Sub-networks: the most synergistic neurons alone, all others alone, and random sets of the same size.

Clauw et al. 2024, section 7. Neurons are those of the union with the least O-information from memorisation
on; before it the untrained network may be the most synergistic one. Each set is trained twice: from the
start, as in the paper, and as a fork at the peak of synergy, where the other neurons are removed. The biases
of removed neurons go too; in the authors' code they stay, as a bias of the output. The random sets are ours:
without them size and synergy cannot be told apart.

At constant norm the rest of the network keeps the norm of the whole: the readout of removed neurons keeps its
share of it.
"""

import dataclasses
import typing
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool

from ...ensemble import Sweep, sweep
from ...statistics import Judgement
from ...training import AbstractConstraint, Experiment, fork, InTurn, KeepUnits, Sustained
from .._draw import COLOURS, panels
from .._judging import agreed, middle
from .._study import Claim, Figure, Results, Scale
from ._course import Course, course, ratio
from ._networks import AVERAGE, HIDDEN, INIT, SPLIT, WIDTH


if typing.TYPE_CHECKING:
    import matplotlib.figure
    import xarray

INITS = {"smoke": 1, "laptop": 3, "paper": 5}
RANDOM = {"smoke": 2, "laptop": 5, "paper": 5}
SYNERGISTIC, INVERSE = "synergistic", "inverse"
START, PEAK = "from the start", "at the peak"
WAYS = (START, PEAK)


class Setting(typing.NamedTuple):
    """Networks whose sub-networks are trained: what one is called, its recipe, and where its runs are."""

    name: str
    experiment: Callable[[Scale], Experiment]
    select: Callable[[Results], "xarray.Dataset"]


def figure(
    name: str,
    title: str,
    sweeps: Callable[[Scale], dict[str, Sweep]],
    settings: Sequence[Setting],
    claims: tuple[Claim, ...],
) -> Figure:
    """A figure of the sub-networks of some settings."""
    return Figure(
        name,
        title,
        sweeps,
        claims,
        chart=lambda results: _chart(settings, results),
        table=lambda results: _table(settings, results),
        then=lambda results: _further(settings, results),
    )


def _further(settings: Sequence[Setting], results: Results) -> dict[str, Sweep]:
    """All sets of all settings, from the start and as forks at the peak."""
    return {f"{setting.name}, {way}": _sets(setting, way, results) for setting in settings for way in WAYS}


def _sets(setting: Setting, way: str, results: Results) -> Sweep:
    scale = results.scale
    planned = setting.experiment(scale)
    plain = dataclasses.replace(planned, probes=(), stop=Sustained(level=0.985, records=3))
    if way == PEAK:
        plain = fork(plain, 1)
    axis = {}
    for number in range(INITS[scale]):
        run = setting.select(results).isel({INIT: number})
        neurons, step = chosen(run)
        for name, mask in _masks(neurons, number, RANDOM[scale]).items():
            keep = KeepUnits.of(HIDDEN, np.flatnonzero(mask), len(mask))
            changes = {"constraint": _with(planned.constraint, keep), INIT: int(run[INIT])}
            axis[f"{number} {name}"] = changes | ({"fork.step": step} if way == PEAK else {})
    return sweep(plain, {"network": axis}, seed=SPLIT)


def _with(before: AbstractConstraint | None, keep: KeepUnits) -> AbstractConstraint:
    return keep if before is None else InTurn((before, keep))


def chosen(run: "xarray.Dataset") -> tuple[Bool[np.ndarray, " neuron"], int]:
    """The most synergistic neurons from memorisation on, and the step at which they are that.

    The last record does not count: nothing can branch off there.
    """
    found = course(run)
    start = found.first(0.98, "train")
    late = (found.steps >= (start if np.isfinite(start) else 1)) & (found.steps < found.steps[-1])
    at = int(np.argmax(np.where(late, found.synergy, -np.inf)))
    return run[f"{AVERAGE}/synergy_neurons"].values[at].astype(bool), int(found.steps[at])


def _masks(neurons: Bool[np.ndarray, " neuron"], seed: int, random: int) -> dict[str, np.ndarray]:
    masks = {SYNERGISTIC: neurons}
    if not neurons.all():
        masks[INVERSE] = ~neurons
    generator = np.random.default_rng(seed)
    for index in range(random):
        mask = np.zeros_like(neurons)
        mask[generator.choice(len(neurons), int(neurons.sum()), replace=False)] = True
        masks[f"random {index}"] = mask
    return masks


# --- the statistics -------------------------------------------------------------------------------


def runs(results: Results, setting: Setting, way: str, number: int) -> dict[str, Course]:
    """The courses of all sets of one network; synergy and redundancy are not measured in them."""
    data = results[f"{setting.name}, {way}"]
    mine = [str(label) for label in data["network"].values if str(label).startswith(f"{number} ")]
    return {label.split(" ", 1)[1]: _accuracies(data.sel(network=label)) for label in mine}


def _accuracies(run: "xarray.Dataset") -> Course:
    known = np.isfinite(run["train_accuracy"].values)
    none = np.full(int(known.sum()), np.nan)
    take = lambda name: np.asarray(run[name].values, float)[known]
    accuracies = map(take, ("train_accuracy", "test_accuracy", "test_loss"))
    return Course(run["step"].values[known], none, none, none, *accuracies)


def _whole(results: Results, setting: Setting, number: int) -> Course:
    return course(setting.select(results).isel({INIT: number}))


def _each(
    setting: Setting,
    way: str,
    answer: Callable[[Course, dict[str, Course]], tuple[bool | None, float]],
    note: str,
) -> Callable[[Results], Judgement]:
    def statistic(results: Results) -> Judgement:
        found = [
            answer(_whole(results, setting, number), runs(results, setting, way, number))
            for number in range(INITS[results.scale])
        ]
        trained = int(results[f"{setting.name}, {way}"].sizes["network"])
        return agreed(
            [one for one, _ in found], middle([value for _, value in found]), runs=trained, note=note
        )

    return statistic


def _generalises(whole: Course, sets: dict[str, Course]) -> tuple[bool | None, float]:
    best = float(sets[SYNERGISTIC].test_accuracy.max())
    return best >= 0.98, best


def _within(least: float, most: float) -> Callable[[Course, dict[str, Course]], tuple[bool | None, float]]:
    def answer(whole: Course, sets: dict[str, Course]) -> tuple[bool | None, float]:
        before = whole.first(0.98)
        if not np.isfinite(before):
            return None, np.nan
        value = ratio(sets[SYNERGISTIC].first(0.98), before)
        return bool(least <= value <= most), value

    return answer


def _beats_random(whole: Course, sets: dict[str, Course]) -> tuple[bool | None, float]:
    times = np.array([run.first(0.98) for name, run in sets.items() if name.startswith("random")])
    mine = sets[SYNERGISTIC].first(0.98)
    if not np.isfinite(times).any():
        return bool(np.isfinite(mine)), np.nan
    with np.errstate(invalid="ignore"):
        limit = times.mean() - times.std(ddof=1)
    limit = limit if np.isfinite(limit) else float(np.min(times))
    return bool(mine < limit), ratio(mine, float(np.median(times)))


def _inverse(whole: Course, sets: dict[str, Course]) -> tuple[bool | None, float]:
    if INVERSE not in sets:
        return None, np.nan
    best = float(sets[INVERSE].test_accuracy.max())
    return best >= 0.9, best


def claims(setting: Setting, source: str, speed: str, least: float, most: float) -> tuple[Claim, ...]:
    """What the paper says of a setting's sub-networks, and the same of sets that are cut out at the peak."""
    found = []
    for way in WAYS:
        cut = "Trained from the start" if way == START else "Cut out at the peak of synergy"
        where = source if way == START else f"our fork beside {source}"
        name = f"{setting.name}, {way}: "
        found += [
            Claim(
                f"{name}generalises",
                f"{setting.name}: {cut.lower()}, the most synergistic neurons generalise by themselves.",
                where,
                "they grok",
                _each(setting, way, _generalises, "best test accuracy, at least 0.98"),
            ),
            Claim(
                f"{name}random",
                f"{setting.name}: {cut.lower()}, they do so sooner than random sets of their size.",
                f"our control of {source}",
                "without a control",
                _each(
                    setting,
                    way,
                    _beats_random,
                    "step of 98% over the median of random sets; by more than a standard deviation",
                ),
            ),
            Claim(
                f"{name}inverse",
                f"{setting.name}: {cut.lower()}, the other neurons generalise nearly as well.",
                f"our reading of {source}",
                "not very different under emergence",
                _each(setting, way, _inverse, "best test accuracy, at least 0.9"),
            ),
        ]
    found.append(
        Claim(
            f"{setting.name}: speed",
            f"{setting.name}: trained from the start, the most synergistic neurons generalise {speed}.",
            source,
            speed,
            _each(setting, START, _within(least, most), f"ratio of steps to 98%, from {least:g} to {most:g}"),
        )
    )
    return tuple(found)


# --- the chart ------------------------------------------------------------------------------------


def _chart(settings: Sequence[Setting], results: Results) -> "matplotlib.figure.Figure":
    """Test accuracy of the whole network and of all sets."""
    picture, axes = panels(len(settings), len(WAYS), width=4.0, height=2.5)
    for row, setting in zip(axes, settings, strict=True):
        for ax, way in zip(row, WAYS, strict=True):
            for number in range(INITS[results.scale]):
                first = number == 0
                whole = _whole(results, setting, number)
                _draw(ax, whole, "black", "whole network" if first else None)
                for name, run in runs(results, setting, way, number).items():
                    kind = name.split(" ")[0]
                    colour = {SYNERGISTIC: COLOURS[0], INVERSE: COLOURS[1]}.get(kind, COLOURS[2])
                    label = kind if first and not name.endswith(tuple("123456789")) else None
                    _draw(ax, run, colour, label, thin=kind == "random")
            ax.set(xscale="log", ylim=(-0.05, 1.05), xlabel="step", ylabel="test accuracy")
            ax.set_title(f"{setting.name}: {way}")
    axes[0, 0].legend(frameon=False, fontsize=6)
    return picture


def _draw(ax: typing.Any, run: Course, colour: str, label: str | None, *, thin: bool = False) -> None:
    late = run.steps > 0
    width = 0.5 if thin else 1.2
    ax.plot(run.steps[late], run.test_accuracy[late], color=colour, label=label, linewidth=width)


def _table(settings: Sequence[Setting], results: Results) -> list[dict[str, typing.Any]]:
    """Each set: its size, when it answers 98% of both sets, and how much in the end."""
    found = []
    for setting in settings:
        for way in WAYS:
            for number in range(INITS[results.scale]):
                neurons, step = chosen(setting.select(results).isel({INIT: number}))
                sets = {"whole": _whole(results, setting, number), **runs(results, setting, way, number)}
                for name, run in sets.items():
                    size = {"whole": WIDTH[results.scale], INVERSE: int((~neurons).sum())}
                    found.append(
                        {
                            "setting": setting.name,
                            "way": way,
                            "network": number,
                            "set": name,
                            "neurons": size.get(name, int(neurons.sum())),
                            "peak": step,
                            "train_98": run.first(0.98, "train"),
                            "test_98": run.first(0.98),
                            "best": float(run.test_accuracy.max()),
                        }
                    )
    return found
