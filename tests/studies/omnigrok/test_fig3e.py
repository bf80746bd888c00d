"""Figure 3e of Liu et al. 2023: time against the size of the training set, on planted times and tiny runs."""

import math

import pytest

from afterfit.studies.omnigrok import fig3e, stand_ins

from ..planted import check, planted, SIZE, step_up, sweeps_of


FIGURE = fig3e.FIGURE
BUDGET = sweeps_of(FIGURE, "laptop")["sizes"].experiment.steps


def _results(late, before=0.55):
    """Runs that generalise at `late(size, seed)`, and have an accuracy before."""

    def rule(steps, place):
        test = step_up(steps, late(place[SIZE], place["seed"]), before)
        return {"train_accuracy": step_up(steps, 300), "test_accuracy": test}

    return planted(FIGURE, {"sizes": rule})


def _critical(size, seed):
    """A time that blows up at 150 images."""
    return 3000 * (1 + 0.1 * seed) * size / (size - 150) if size > 150 else math.inf


def _constant(size, seed):
    return 5000


def _rising(size, seed):
    return 100 * size


SPAN = (200 / 50) / (3200 / 3050)


@pytest.mark.parametrize(
    ("claim", "late", "verdict", "value"),
    [
        ("less data, later", _critical, "holds", -1),
        ("less data, later", _rising, "fails", 1),
        (
            "less data, later",
            lambda size, seed: 1000 if size == 800 else _critical(size, seed),
            "fails",
            -29 / 35,
        ),
        ("less data, later", _constant, "undecided", None),
        ("less data, later", lambda size, seed: math.inf, "undecided", None),
        ("by a large factor", _critical, "fails", SPAN),
        ("by a large factor", lambda size, seed: 1e6 / size, "holds", 32),
        ("by a large factor", lambda size, seed: 5000 if size == 3200 else math.inf, "undecided", None),
        ("critical size", _critical, "holds", 1),
        ("critical size", lambda size, seed: 0.6 * BUDGET if size == 100 else 5000, "holds", 0.6),
        ("critical size", _constant, "fails", 5000 / BUDGET),
    ],
)
def test_the_claims(claim, late, verdict, value):
    check(FIGURE, claim, _results(late), verdict, value, rel=0.08)


def test_so_few_images_that_no_time_does_are_not_critical():
    check(FIGURE, "critical size", _results(_critical, before=0.4), "undecided", None)


def test_the_table_has_medians_and_counts_of_what_was_not_reached():
    rows = fig3e.table(_results(_critical))
    assert [row["size"] for row in rows] == list(fig3e.SIZES["laptop"])
    assert rows[0]["generalised_median"] == math.inf and rows[0]["generalised_censored"] == 3
    assert rows[1]["generalised_median"] == pytest.approx(13_200, rel=0.06)


# --- on real images, and without them -------------------------------------------------------------


def test_smoke(reproduced, tmp_path, data_folder):
    if not any(
        (place / "t10k-images-idx3-ubyte.gz").is_file() for place in (data_folder / "mnist", data_folder)
    ):
        pytest.skip("AFTERFIT_DATA has no MNIST")
    rows = reproduced(FIGURE)
    assert [row["verdict"] for row in rows] == ["undecided"] * len(FIGURE.claims)
    assert len((tmp_path / "out" / "fig3e.csv").read_text().splitlines()) == 1 + 2


def test_without_images_the_figure_is_undecided_and_the_next_one_goes_on(reproduced, tmp_path, monkeypatch):
    def unreachable(address, file, _):
        raise ConnectionError("the network is unreachable")

    monkeypatch.delenv("AFTERFIT_DATA", raising=False)
    monkeypatch.setenv("AFTERFIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("afterfit.tasks._files._fetch", unreachable)
    said = []
    rows = reproduced(FIGURE, stand_ins.DIGITS, tell=said.append)

    without, others = rows[: len(FIGURE.claims)], rows[len(FIGURE.claims) :]
    assert {(row["figure"], row["verdict"], row["value"], row["runs"]) for row in without} == {
        ("fig3e", "undecided", None, 0)
    }
    assert all(row["note"].startswith("not run: the data file train-images") for row in without)
    assert "the network is unreachable" in without[0]["note"] and "\n" not in without[0]["note"]
    (told,) = [line for line in said if "train-images" in line]
    assert "Put it into " in told and "AFTERFIT_DATA (not set now)" in told

    assert [row["figure"] for row in others] == ["digits"] * len(stand_ins.DIGITS.claims)
    assert not any(row["note"].startswith("not run") for row in others)
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {
        "verdicts.json",
        "provenance.json",
        *(f"digits.{kind}" for kind in ("svg", "png", "pdf", "csv")),
    }
    assert len((tmp_path / "out" / "digits.csv").read_text().splitlines()) == 1 + 6 * 2
