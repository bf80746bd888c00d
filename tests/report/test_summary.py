"""The summary for a terminal says what the numbers say."""

import re

import numpy as np
import pytest

from afterfit.report import describe_status, summary
from afterfit.store import LiveRun, SessionStatus, StoreStatus


def test_one_run_is_a_sentence(grokking_runs):
    text = summary(grokking_runs({}))
    assert text.count("\n") == 0
    assert text.startswith("This run fitted its training set at step ") and text.endswith("it grokked.")


def test_a_sweep_is_a_table_of_medians(grokking_runs):
    data = grokking_runs({"optimiser.weight_decay": [0.3, 3.0], "seed": [0, 1, 2]})
    headline, header, *rows = summary(data).splitlines()
    assert headline.startswith("6 runs: ")
    assert header.split() == ["weight", "decay", "memorised", "generalised", "ratio"]
    assert [row.split()[0] for row in rows] == ["0.3", "3"]
    slow, fast = (int(row.split()[2].replace(",", "")) for row in rows)
    assert slow > 2 * fast  # 10 ** 0.45 by construction
    assert len({len(row) for row in [header, *rows]}) == 1  # columns are aligned


def test_a_long_table_says_what_it_leaves_out(grokking_runs):
    data = grokking_runs({"optimiser.weight_decay": list(np.linspace(0.1, 3, 40))})
    lines = summary(data).splitlines()
    assert len(lines) == 27
    assert lines[-1] == "... and 16 more rows"


def test_what_never_came_and_what_diverged(grokking_runs):
    data = grokking_runs({"optimiser.weight_decay": [0.1, 1.0]})
    data["test_accuracy"][:] = 0.1
    assert all(re.search(r"> 5,000\s+> [\d.]+$", line) for line in summary(data).splitlines()[2:])
    data["train_accuracy"][0], data["test_accuracy"][0] = np.nan, np.nan
    data["outcome"] = ("optimiser.weight_decay", ["diverged", "done"])
    assert summary(data).splitlines()[2].split() == ["0.1", "–", "–", "–"]


def test_forks_may_have_fitted_before_their_first_record(grokking_runs):
    forks = grokking_runs().sel(step=slice(400, None))
    sentence = summary(forks)
    assert re.match(
        r"This run fitted its training set by step \d+ and generalised at step [\d,]+ "
        r"\(at least [\d.]+ times later\)\.",
        sentence,
    )
    decays = grokking_runs({"fork.step": [40, 80], "seed": [0, 1]}).sel(step=slice(400, None))
    assert all(" ≤ " in line for line in summary(decays).splitlines()[2:])


def test_without_records_there_is_nothing_to_say(grokking_runs):
    data = grokking_runs({"seed": [0, 1]})
    for name in ("train_accuracy", "test_accuracy"):
        data[name][:] = np.nan
    with pytest.raises(ValueError, match="at least one run with a record, got none"):
        summary(data)


def live(run, steps):
    values = {name: np.full(len(steps), 0.5) for name in ("train_accuracy", "test_accuracy")}
    return LiveRun(run, {}, np.asarray(steps, int), values, {}, {})


def test_status_of_a_store_at_work():
    progress = {"steps_per_second": 1234.5, "seconds_left": float("inf")}
    running = {"a": live("a", [0, 10]), "b": live("b", [])}
    session = SessionStatus("1-x", 42, "here", "noon", {}, progress, ("a", "b", "c"), running, ("c",))
    counts = {"done": 3, "diverged": 1, "failed": 0, "stopped": 0}
    assert describe_status(StoreStatus(counts, 2, (session,), {"d": live("d", [0])})).splitlines() == [
        "4 runs stored: 1 diverged, 3 done",
        "2 in another results version; they are shown, and run again when asked for",
        "training since noon (process 42 on here):",
        "  2 running, 1 waiting",
        "  1,234 steps/s",
        "  a: step 10, accuracy 50% train and 50% test",
        "1 interrupted: start the same command again to go on with them",
    ]


def test_names_of_a_store_do_not_steer_the_terminal(grokking_runs):
    told = summary(grokking_runs({"task.operation": ["\x1b[31mred", "x+y"]}))
    assert "\x1b" not in told and "\\x1b[31mred" in told
