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
    Phase.GROKKED: "It generalised at least 10 times later than it memorised: "
    "look at what changed inside the network between the two steps.",
    Phase.GENERALISED: "It generalised soon after it memorised, or without memorising: "
    "for a longer delay try less training data, less weight decay or a larger initialisation.",
    Phase.MEMORISED_ONLY: "It fitted its training set and had not generalised when it ended: "
    "give it more steps, more training data or more weight decay.",
    Phase.NEVER_FITTED: "It never fitted its training set: "
    "give it more steps, a larger learning rate, a wider network or less weight decay.",
    Phase.DIVERGED: "Its loss stopped being finite before it generalised: "
    "try a smaller learning rate, more warmup or a smaller initialisation.",
    Phase.NO_RECORD: "It has no finite record: it has not run yet, or it failed at its first step.",
}
