"""Networks and spheres that figures of the paper share."""

import typing

import numpy as np

from ... import models, tasks, training


def spread(least: float, most: float, count: int) -> tuple[float, ...]:
    """Numbers from `least` to `most` in equal ratios, rounded to three digits."""
    return tuple(float(f"{value:.3g}") for value in np.geomspace(least, most, count))


def teacher_student(**changes: typing.Any) -> training.Experiment:
    """Section 3: a tanh network 5-100-100-5 learns from 100 answers of another one, full batch, rate 3e-4."""
    default = dict(
        model=models.MLP(hidden=(100, 100), activation="tanh"),
        optimiser=training.AdamW(learning_rate=3e-4, weight_decay=0.0, b1=0.9, b2=0.999, warmup=0),
    )
    return training.Experiment(tasks.TeacherStudent(), **typing.cast(typing.Any, default | changes))


def adamw(rate: float = 1e-3, decay: float = 0.0, b2: float = 0.999) -> training.AdamW:
    """PyTorch's AdamW: no warm-up; betas as its default unless said."""
    return training.AdamW(learning_rate=rate, weight_decay=decay, b1=0.9, b2=b2, warmup=0)
