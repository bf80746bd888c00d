"""What the tests of figures share."""

import pytest

from afterfit.ensemble import silent
from afterfit.studies import reproduce
from afterfit.studies.power2022 import STUDY


@pytest.fixture
def reproduced(tmp_path):
    """Runs a figure at the smallest scale into `tmp_path / "out"` and returns its verdicts."""

    def run(figure):
        return reproduce(
            STUDY,
            [figure],
            "smoke",
            store=tmp_path / "store",
            output=tmp_path / "out",
            display=silent,
            tell=lambda line: None,
        )

    return run
