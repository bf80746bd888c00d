"""Figure 8 of Liu et al. 2023: the landscape of modular addition, on planted values."""

import numpy as np
import pytest

from afterfit.studies.omnigrok import fig8

from ..planted import ALPHA, check, judged, on_spheres, planted


FIGURE = fig8.FIGURE


def _shell(alpha, seed):
    return 0.0 if alpha < 1.5 else 0.9


def _results(
    *,
    train=lambda alpha, seed: 1e-4 if alpha > 0.7 else 2.0,
    error=_shell,
    share=lambda share, seed: share - 0.3,
    scale="laptop",
):
    """Values at the share that is judged; elsewhere the best test accuracy grows with the share from 0 on."""

    def told(place):
        alpha, seed = place[ALPHA], place["seed"]
        if place[fig8.SHARE] == fig8.MIDDLE[scale] and scale == "laptop":
            return {"train_loss": train(alpha, seed), "test_error": error(alpha, seed)}
        best = min(max(5 * share(place[fig8.SHARE], seed) + 0.5, 0.0), 1.0)
        return {"train_loss": train(alpha, seed), "test_error": 1 - best if alpha == 1 else 1.0}

    return planted(FIGURE, on_spheres(told), scale)


@pytest.mark.parametrize(
    ("claim", "landscape", "verdict", "value"),
    [
        ("training loss is an L", {}, "holds", 1e-4),
        (
            "training loss is an L",
            {"train": lambda alpha, seed: 0.5 if alpha in (0.3, 4) else 1e-4},
            "fails",
            0.5,
        ),
        ("training loss is an L", {"train": lambda alpha, seed: 1e-4}, "fails", 1e-4),  # not high at 0.3
        (
            "training loss is an L",
            {"train": lambda alpha, seed: 2.0 if alpha < 0.7 else (1e-4, 0.03)[seed]},
            "undecided",
            0.01505,
        ),
        ("a shell generalises", {}, "holds", 1.0),
        ("a shell generalises", {"error": lambda alpha, seed: 0.1 if alpha < 1.5 else 0.9}, "fails", 0.9),
        ("a shell generalises", {"error": lambda alpha, seed: 0.0 if alpha < 1.5 else 0.6}, "holds", 1.0),
        ("a shell generalises", {"error": lambda alpha, seed: 0.0 if alpha < 1.5 else 0.4}, "fails", 1.0),
        ("a shell generalises", {"error": lambda alpha, seed: 0.0 if 1.5 < alpha < 3 else 0.9}, "fails", 0.1),
        (
            "a shell generalises",
            {"error": lambda alpha, seed: _shell(alpha, seed) * (1 - seed)},
            "undecided",
            1.0,
        ),
        ("critical share", {}, "undecided", None),
        ("critical share", {"scale": "paper", "share": lambda share, seed: share - 0.25}, "holds", 0.25),
        ("critical share", {"scale": "paper", "share": lambda share, seed: share - 0.4}, "fails", 0.4),
        (
            "critical share",
            {"scale": "paper", "share": lambda share, seed: share - 0.2 - 0.1 * seed},
            "undecided",
            0.3,
        ),
        ("critical share", {"scale": "paper", "share": lambda share, seed: -1}, "undecided", None),
    ],
)
def test_the_claims(claim, landscape, verdict, value):
    check(FIGURE, claim, _results(**landscape), verdict, value)


def test_the_critical_share_is_interpolated():
    found = _results(share=lambda share, seed: share - (0.32, 0.15)[seed])
    np.testing.assert_allclose(fig8.critical_shares(found), [0.32, np.nan], rtol=1e-6)
    note = judged(FIGURE, "critical share", _results()).note
    assert note.startswith("needs p = 113; here 0.30")
