"""What became of a run, in one word and one line of advice."""

import enum


GROKKING_RATIO = 10.0  # "generalised" is "grokked" from this many times the steps to memorise; our choice


class Phase(enum.StrEnum):
    """How a run fitted its training set and its test set; see `afterfit.grokking_time`."""

    GROKKED = "grokked"
    GENERALISED = "generalised"
    MEMORISED_ONLY = "memorised only"
    NEVER_FITTED = "never fitted"
    DIVERGED = "diverged"
    NO_RECORD = "no record"

    @property
    def advice(self) -> str:
        """One line: what it means and what to try next."""
        return _ADVICE[self]


_ADVICE = {
    Phase.GROKKED: "Generalised at least 10 times after memorising: "
    "look at what changed inside the network between the two steps.",
    Phase.GENERALISED: "Generalised soon after memorising, or without it: "
    "for a longer delay try less training data, less weight decay or a larger initialisation.",
    Phase.MEMORISED_ONLY: "Fitted the training set, and had not generalised at the end: "
    "give it more steps, more training data or more weight decay.",
    Phase.NEVER_FITTED: "Did not fit the training set: "
    "give it more steps, a larger learning rate, a wider network or less weight decay.",
    Phase.DIVERGED: "The loss stopped being finite before generalisation: "
    "try a smaller learning rate, more warmup or a smaller initialisation.",
    Phase.NO_RECORD: "No finite record: not run yet, or failed at the first step.",
}
