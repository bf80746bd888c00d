"""Networks in formats that other tools read; nothing that runs when it is opened (no pickle)."""

import json
import os
import pathlib
import re
import typing
from collections.abc import Mapping

import numpy as np
import safetensors.numpy

from ..store import Store
from ._aside import written_aside
from ._network import Network, read_network
from ._torch import torch_form
from ._transformer_lens import transformer_lens_form


WeightFormat = typing.Literal["safetensors", "torch", "transformer-lens"]

_MARK = "# Written by `afterfit export`:"
"""How the Python files begin that an export may replace: it never touches somebody else's code."""


def export_weights(
    store: str | os.PathLike,
    run: str | None,
    to: WeightFormat,
    output: pathlib.Path | None,
    step: int | None,
    own_code: bool = False,
) -> pathlib.Path:
    """Writes the network of one run; see `export`."""
    network = read_network(Store(store, create=False, readonly=True), run, step, own_code)
    target = output or pathlib.Path(_default_name(network))
    if to == "safetensors":
        arrays = {path.removeprefix("."): array for path, array in network.parameters.items()}
        return _write(target, arrays, network.metadata)
    if to == "transformer-lens":
        state, config = transformer_lens_form(network)
        return _write(target, state, {**network.metadata, "config": json.dumps(config)})
    state, module = torch_form(network)
    beside = target.with_suffix(".py")
    _check_replaceable(target, beside)
    _write(target, state, {**network.metadata, "module": json.dumps(module)})
    with written_aside(beside) as aside:
        aside.write_text(_source(network), encoding="utf-8")
    return target


def _default_name(network: Network) -> str:
    # A name that Python can import, and no path: what a store calls its runs may be anything.
    run = re.sub(r"\W", "", network.entry.run)[:8]
    return f"run_{run}_{int(network.step)}.safetensors"


def _write(target: pathlib.Path, arrays: Mapping[str, np.ndarray], about: dict[str, str]) -> pathlib.Path:
    # The library writes what lies in memory: a transposed view would come out as what it is a view of.
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with written_aside(target) as aside:
        aside.write_bytes(safetensors.numpy.save(whole, about))
    return target


def _source(network: Network) -> str:
    code = pathlib.Path(__file__).with_name("_standalone.py").read_text(encoding="utf-8")
    return f"{_MARK} the network of run {network.entry.run} at step {network.step}.\n{code}"


def _check_replaceable(target: pathlib.Path, beside: pathlib.Path) -> None:
    if target == beside:
        raise ValueError(
            f"{target} is for the weights: end its name in .safetensors; the class goes beside it."
        )
    if beside.is_file() and not beside.read_text(encoding="utf-8", errors="replace").startswith(_MARK):
        raise ValueError(
            f"the class would go to {beside}, which no export has written: choose another --output."
        )
