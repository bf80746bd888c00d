"""A whole landscape beside the same cells one after another in eager PyTorch."""

import dataclasses
import time
import typing

import numpy as np

import afterfit as af

from ._cases import TEACHER_STUDENT
from ._table import duration, Table


ALPHAS = tuple(np.geomspace(0.1, 10, 21).tolist())
SIZES = tuple(range(10, 120, 10))
STEPS = 500  # a twentieth of the paper's; both sides pay for each step


def measure() -> Table:
    """21 norms times 11 training set sizes of the teacher-student task, 500 steps a cell."""
    base = dataclasses.replace(TEACHER_STUDENT, steps=STEPS, record=af.At((0, STEPS)))
    task = af.tasks.TeacherStudent(pool=SIZES[-1] + 100)
    spheres = af.landscape.spheres(dataclasses.replace(base, task=task), ALPHAS, {"task.train": SIZES})
    seen: list[tuple[float, int]] = []
    began = time.perf_counter()
    spheres.run(display=lambda progress: seen.append((time.perf_counter(), progress.programs)))
    whole = time.perf_counter() - began
    ready = next(moment for moment, programs in seen if programs)
    ours, programs = seen[-1][0] - ready, seen[-1][1]
    theirs = _cell_after_cell(task)
    cells = len(ALPHAS) * len(SIZES)
    rows = [
        ("eager PyTorch, cell after cell", duration(theirs), duration(theirs / cells / STEPS), ""),
        ("the laboratory", duration(ours), duration(ours / cells / STEPS), f"{theirs / ours:.1f}"),
        ("with compilation, from the call to the result", duration(whole), "", f"{theirs / whole:.1f}"),
    ]
    figures = {"torch": theirs, "ours": ours, "whole": whole, "cells": cells, "programs": programs}
    note = f"{cells} cells of {STEPS} steps; {programs} program compiled. At least 10 times was asked for."
    return Table("A landscape", ("way", "time", "a step of a cell", "times faster"), rows, figures, (note,))


def _cell_after_cell(task: af.tasks.TeacherStudent) -> float:
    import torch
    from torch import nn

    from . import _torch

    data = task.data(0)
    inputs, targets = (torch.tensor(np.asarray(part)) for part in (data.inputs, data.targets))
    began = time.perf_counter()
    for alpha in ALPHAS:
        for size in SIZES:
            _train(_torch.mlp((5, 100, 100, 5), nn.Tanh()), alpha, inputs[:size], targets[:size])
    return time.perf_counter() - began


def _train(model: typing.Any, alpha: float, inputs: typing.Any, targets: typing.Any) -> None:
    import torch

    parameters = list(model.parameters())
    with torch.no_grad():
        for parameter in parameters:
            parameter.mul_(alpha)
        radius = torch.sqrt(sum((parameter**2).sum() for parameter in parameters))
    adam = torch.optim.Adam(parameters, 3e-4)
    for _ in range(STEPS):
        adam.zero_grad()
        torch.nn.functional.mse_loss(model(inputs), targets).backward()
        adam.step()
        with torch.no_grad():
            ratio = radius / torch.sqrt(sum((parameter**2).sum() for parameter in parameters))
            for parameter in parameters:
                parameter.mul_(ratio)
