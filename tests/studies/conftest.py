"""What the tests of figures share."""

import pytest

from afterfit.ensemble import silent
from afterfit.studies import reproduce, studies


@pytest.fixture
def reproduced(tmp_path):
    """Runs figures of one study at the smallest scale into `tmp_path / "out"` and returns their verdicts."""

    def run(*figures, tell=lambda line: None):
        (study,) = [one for one in studies().values() if figures[0] in one.figures]
        return reproduce(
            study,
            figures,
            "smoke",
            store=tmp_path / "store",
            output=tmp_path / "out",
            display=silent,
            tell=tell,
        )

    return run
