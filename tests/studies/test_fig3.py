"""Figure 3 on planted networks, and end to end at the smallest scale with the figures that share its runs."""

import csv
import functools
import json
import pathlib

import numpy as np
import pytest

from afterfit.ensemble._pack import packs
from afterfit.statistics import Verdict
from afterfit.store import RunRecords
from afterfit.studies import reproduce, Results, SCALES
from afterfit.studies.power2022 import _networks, fig3, STUDY
from afterfit.studies.power2022._cosets import partitions
from afterfit.studies.power2022._networks import chosen_step, kept, Network


FREQUENCIES = 15


def planted(seed: int, share: float, *, decay: float = 1.0, solved: bool = True) -> Network:
    """A network of which three frequencies of 15 have a share of the power."""
    power = np.full(FREQUENCIES, (1 - share) / 12)
    power[:3] = share / 3
    place = {fig3.DECAY: decay, "seed": seed}
    return Network(place, 100, 1.0 if solved else 0.5, solved, np.ones((31, 4), np.float32), power)


def grouped(seed: int, spread: float, *, solved: bool = True) -> Network:
    """A network of S4 whose rows lie around the cosets of the Klein group."""
    rng = np.random.default_rng(seed)
    labels = next(iter(partitions(4).values()))
    rows = rng.normal(size=(6, 8))[labels] + spread * rng.normal(size=(24, 8))
    return Network({"seed": seed}, 100, 1.0, solved, rows.astype(np.float32), np.zeros(0, np.float32))


@pytest.fixture
def judged(monkeypatch):
    """The verdict of a statistic on planted networks."""

    def judge(statistic, networks, scale="laptop"):
        monkeypatch.setattr(fig3, "networks", lambda results, name: networks)
        return statistic(Results(scale, fig3.sweeps(scale), {}, pathlib.Path()))

    return judge


@pytest.mark.parametrize(
    ("shares", "verdict"),
    [
        ((0.9, 0.7, 0.3), Verdict.HOLDS),
        ((0.9, 0.3, 0.3), Verdict.FAILS),
        ((0.9, 0.3, None), Verdict.UNDECIDED),  # a network that never generalised is missing
        ((None, None, None), Verdict.UNDECIDED),
    ],
)
def test_circles_need_two_of_three_networks(judged, shares, verdict):
    networks = [
        planted(seed, 0.9 if share is None else share, solved=share is not None)
        for seed, share in enumerate(shares)
    ]
    # What has no decay must not count.
    others = [planted(seed, 0.2, decay=0.0) for seed in range(3)]
    found = judged(fig3.circles, networks + others)
    assert found.verdict == verdict and found.seeds == 3
    known = [share for share in shares if share is not None]
    assert found.value == (pytest.approx(np.median(known)) if known else None)


def test_decay_is_compared_seed_by_seed(judged):
    def networks(with_decay, without, solved=True):
        return [planted(seed, share) for seed, share in enumerate(with_decay)] + [
            planted(seed, share, decay=0.0, solved=solved) for seed, share in enumerate(without)
        ]

    statistic = fig3.clearer_with_decay
    holds = judged(statistic, networks((0.9, 0.8, 0.85), (0.3, 0.4, 0.3)))
    assert holds.verdict == Verdict.HOLDS and holds.value == pytest.approx(0.85 - 1 / 3)
    assert judged(statistic, networks((0.3, 0.4, 0.3), (0.9, 0.8, 0.85))).verdict == Verdict.FAILS
    assert judged(statistic, networks((0.3, 0.4), (0.3, 0.4))).verdict == Verdict.FAILS  # no more than a tie
    assert judged(statistic, networks((0.9, 0.2, 0.3), (0.3, 0.4, 0.3))).verdict == Verdict.UNDECIDED
    memorising = networks((0.9, 0.8), (0.3, 0.4), solved=False)
    miniature = judged(statistic, memorising)
    assert miniature.verdict == Verdict.HOLDS and "0 of 2 without decay" in miniature.note
    # In the paper's size both sides must generalise.
    assert judged(statistic, memorising, "paper").verdict == Verdict.UNDECIDED
    one = judged(statistic, networks((0.9,), (0.3,)))
    assert one.interval is None and "no interval" in one.note


def test_cosets_are_judged_against_relabellings(judged, monkeypatch):
    monkeypatch.setattr(fig3, "clustering", functools.partial(fig3.clustering, draws=200))
    clear, random = [grouped(seed, 0.3) for seed in (0, 1)], [grouped(seed, 30) for seed in (2, 3)]
    found = judged(fig3.cosets, clear)
    assert found.verdict == Verdict.HOLDS and found.value == pytest.approx(1 / 201)
    assert judged(fig3.cosets, random).verdict == Verdict.FAILS
    missing = judged(fig3.cosets, [clear[0], grouped(1, 0.3, solved=False)])
    assert missing.verdict == Verdict.UNDECIDED and "1 never at validation 99%" in missing.note
    diverged = Network({"seed": 0}, -1, np.nan, False, np.zeros((0, 0)), np.zeros(0))
    assert judged(fig3.cosets, [diverged]).verdict == Verdict.UNDECIDED


def test_the_number_line_runs_through_nearest_neighbours():
    assert fig3.number_line(12, 97)[0] == 8  # the paper's network
    for frequency in (1, 4, 11):
        step, order = fig3.number_line(frequency, 31)
        angles = 2 * np.pi * frequency * np.arange(31) / 31
        rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        distances = ((rows[:, None] - rows) ** 2).sum(axis=-1) + 10 * np.eye(31)
        apart = np.abs(np.arange(31) - distances.argmin(axis=1))
        assert set(np.minimum(apart, 31 - apart)) == {min(step, 31 - step)}
        assert sorted(order) == list(range(31))
        np.testing.assert_allclose(np.diff(rows[order], axis=0)[0], rows[order[1]] - rows[order[0]])


def records(accuracies: dict[int, float], kept_steps: list[int]) -> RunRecords:
    values = {"test_accuracy": np.array(list(accuracies.values()), np.float32)}
    snapshots = {step: {".unembedding": np.zeros((2, 3), np.float32)} for step in kept_steps}
    return RunRecords("run", {}, np.array(list(accuracies)), values, "done", 40, snapshots=snapshots)


def test_a_network_is_taken_at_its_last_good_step():
    accuracies = {10: 1.0, 20: 0.3, 30: 1.0, 40: 0.2}
    assert chosen_step(records(accuracies, [20, 30, 40]), 0.99) == 30
    assert chosen_step(records(accuracies, [20, 40]), 0.99) == 40  # none is good: the last
    assert chosen_step(records(accuracies, []), 0.99) == -1


def test_kept_steps_are_recorded_and_end_with_the_last():
    for scale in SCALES:
        for plan in fig3.sweeps(scale).values():
            run = plan.runs[0]
            chosen = set(kept(run.experiment.steps).chosen)
            assert run.snapshot_steps == chosen and run.experiment.steps in chosen


@pytest.mark.parametrize("scale", SCALES)
def test_sweeps_are_few_packs_and_figure_5_adds_no_run(scale):
    plans = fig3.sweeps(scale)
    assert all(len(packs(plan.runs)) == 1 for plan in plans.values())
    trained = {run.id for run in plans["addition"].runs}
    for name in ("fig5", "fig1-right"):
        figure = next(one for one in STUDY.figures if one.name == name)
        assert {run.id for plan in figure.sweeps(scale).values() for run in plan.runs} <= trained
    if scale == "laptop":
        assert sum(run.experiment.steps for plan in plans.values() for run in plan.runs) <= 70_000


# --- end to end -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """The folder that the three figures leave."""
    folder = tmp_path_factory.mktemp("power2022")
    by_name = {figure.name: figure for figure in STUDY.figures}
    figures = [by_name[name] for name in ("fig3", "fig5", "fig1-right")]  # the first trains for all three
    reproduce(STUDY, figures, "smoke", store=folder / "store", output=folder / "out", tell=lambda text: None)
    return folder / "out"


@pytest.mark.slow
def test_all_of_it_runs(smoke):
    verdicts = json.loads((smoke / "verdicts.json").read_text())
    found = [(row["figure"], row["verdict"]) for row in verdicts]
    assert found == [(name, "undecided") for name in ("fig1-right", "fig3", "fig3", "fig3", "fig5")]
    for name in ("fig3", "fig5", "fig1-right"):
        assert (smoke / f"{name}.png").stat().st_size > 10_000


@pytest.mark.slow
def test_its_table_tells_of_every_network(smoke):
    rows = list(csv.DictReader((smoke / "fig3.csv").read_text().splitlines()))
    assert [row["sweep"] for row in rows] == ["addition"] * 4 + ["group"] * 2
    for row in rows[:4]:
        assert 1 / 3 <= float(row["share_top1"]) <= 1 and row["frequency"] in "123"
    for row in rows[4:]:
        assert -1 <= float(row["silhouette"]) <= 1 and 0 < float(row["p_value"]) <= 1
    assert _networks.kept(40).chosen[-1] == int(rows[0]["step"])
