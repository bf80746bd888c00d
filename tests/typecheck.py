"""The run-time type checker that `conftest.py` applies to every function and dataclass of the package."""

from collections.abc import Callable

import beartype
from beartype.roar import BeartypeDecorHintPep673Exception
from jaxtyping import Array, Float


# `float` means what it means in recipes: a number, or a traced scalar inside a program. And an int is a
# float, as Python's typing rules have it: `AdamW(weight_decay=1)` is no mistake.
_NUMBER = float | int | Float[Array, ""]
_check = beartype.beartype(conf=beartype.BeartypeConf(hint_overrides=beartype.FrozenDict({float: _NUMBER})))


def checked(function: Callable) -> Callable:
    """The function, raising where arguments or results contradict its annotations.

    A method annotated with `typing.Self` stays unchecked: the hook decorates methods before their class
    exists, so nothing says what `Self` is.
    """
    try:
        return _check(function)
    except BeartypeDecorHintPep673Exception:
        return function
