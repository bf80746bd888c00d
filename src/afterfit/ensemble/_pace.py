"""How many steps one call to the device takes."""

import math

from ._engine import Layout


CALL_SECONDS = 0.7
"""How long one call should last: long enough to cost nothing, short enough to show progress."""

TURN_SECONDS = 0.05
"""How long a lane's turn should last at least where lanes take turns: its state is copied in and out."""

FIRST_STEPS = 1  # records lie close together at first, and nobody knows yet what they cost
LEAST_STRIDE = 16
"""Steps that lanes side by side take together at least, though one of them be due earlier."""


class Pace:
    """Learns how long a step takes, measuring included, and says how far each lane may go."""

    def __init__(self, layout: Layout):
        self._layout = layout
        self._seconds_per_step = math.inf

    def budgets(self, due: dict[int, int]) -> dict[int, int]:
        """Steps for each lane in the next call, from how many each has to its next record."""
        if not due:
            return {}
        if self._layout.side_by_side:
            # All lanes wait for the longest stride, so they take the same one.
            stride = max(LEAST_STRIDE, min(due.values()))
            return dict.fromkeys(due, max(1, min(stride, self._most(1))))
        seated: dict[int, int] = {}
        for slot in due:
            seated[self._device(slot)] = seated.get(self._device(slot), 0) + 1
        return {slot: self._most(seated[self._device(slot)]) for slot in due}

    def learn(self, elapsed: float, taken: dict[int, int]) -> None:
        """Takes in what one call cost; careful upwards, since a call cannot be taken back."""
        by_device: dict[int, list[int]] = {}
        for slot, steps in taken.items():
            by_device.setdefault(self._device(slot), []).append(steps)
        whole = max if self._layout.side_by_side else sum
        seconds = elapsed / max(1, *(whole(steps) for steps in by_device.values()))
        known = self._seconds_per_step
        self._seconds_per_step = max(seconds, known / 8) if math.isfinite(known) else seconds

    def _device(self, slot: int) -> int:
        return slot // self._layout.lanes

    def _most(self, turns: int) -> int:
        if not math.isfinite(self._seconds_per_step):
            return FIRST_STEPS
        return max(1, int(max(CALL_SECONDS / turns, TURN_SECONDS) / self._seconds_per_step))
