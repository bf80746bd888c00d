"""Records and networks in formats that other tools read."""

import os
import pathlib
import typing

import numpy as np

from ..store import open_dataset, Store
from ._aside import written_aside
from ._network import only_run
from ._weights import export_weights, WeightFormat


if typing.TYPE_CHECKING:
    import pandas
    import xarray

RecordFormat = typing.Literal["csv", "parquet", "netcdf"]
Format = RecordFormat | WeightFormat
SUFFIX: dict[RecordFormat, str] = {"csv": ".csv", "parquet": ".parquet", "netcdf": ".nc"}
_OTHERS = (*SUFFIX.values(), ".safetensors")


def export(
    store: str | os.PathLike,
    run: str | None,
    to: Format,
    output: str | os.PathLike | None = None,
    *,
    step: int | None = None,
    own_code: bool = False,
) -> pathlib.Path:
    """Writes the records of a store, or the network of one of its runs.

    Records are a long table or a labelled NetCDF file. The table has a row for each run and step, and a
    column for each number recorded there: `sharpness`, or `spectrum[0]`, `spectrum[1]`, ... The NetCDF file
    is of version 3, which everything reads; it has "." for the "/" in the names of measures.

    A network is a safetensors file, whose metadata hold the run, the step, its recipe and its versions:

    - `"safetensors"`: the parameters by their paths, without the leading dot.
    - `"torch"`: a state dict of PyTorch, and beside it a Python file of the same name, whose `load()` makes
      the module that computes the run's outputs, without afterfit. For `MLP` and `Transformer`.
    - `"transformer-lens"`: a state dict of TransformerLens's `HookedTransformer`, and in the metadata, as
      `config`, what makes its configuration. For `nanda_transformer` and others without norms.

    **Arguments:** `run`: the id of one run, or its beginning; `output`: by default named after the store, or
    the run; `step`: of the snapshot that holds the network, by default the last; `own_code`: whether parts of
    somebody's own that the recipe names may be imported, which `torch` and `transformer-lens` may need. Only
    for stores that you trust.

    **Returns:** the file. An existing one is replaced only once the new one is complete.

    **Raises:** `ValueError` if no run, or more than one, has that id, or the file cannot be written; for a
    network also if there is no such snapshot, the model has no such form, or the Python file would replace
    one that no export has written.
    """
    if to in typing.get_args(WeightFormat):
        return export_weights(
            store,
            run,
            typing.cast(WeightFormat, to),
            None if output is None else pathlib.Path(output),
            step,
            own_code,
        )
    if step is not None:
        raise ValueError(f"a step chooses a network, and {to} holds records: leave it out.")
    return _export_records(store, run, typing.cast(RecordFormat, to), output)


def _export_records(
    store: str | os.PathLike, run: str | None, to: RecordFormat, output: str | os.PathLike | None
) -> pathlib.Path:
    data = open_dataset(store)
    opened = Store(store, create=False, readonly=True)
    target = pathlib.Path(output or opened.name + SUFFIX[to])
    if target.suffix in _OTHERS and target.suffix != SUFFIX[to]:
        raise ValueError(f"{target} would hold {to}: end its name in {SUFFIX[to]}, or choose another format.")
    if run is not None:
        recipes = {entry.run: entry.recipe for entry in opened.runs()}
        data = data.where(data["run"] == only_run(recipes, run), drop=True)
    with written_aside(target) as aside:
        if to == "netcdf":
            _narrow(data).to_netcdf(aside, engine="scipy", format="NETCDF3_64BIT")
        elif to == "csv":
            _table(data).to_csv(aside, index=False)
        else:
            _table(data).to_parquet(aside, index=False)
    return target


def _table(data: "xarray.Dataset") -> "pandas.DataFrame":
    dims = data["train_loss"].dims
    measured = [str(name) for name in data.data_vars if "step" in data[name].dims]
    columns = {}
    for name in measured:
        own = [dim for dim in data[name].dims if dim not in dims]
        for place in np.ndindex(*(data.sizes[dim] for dim in own)):
            index = f"[{','.join(map(str, place))}]" if own else ""
            columns[f"{name}{index}"] = data[name].isel(dict(zip(own, place, strict=True)), drop=True)
    table = data.drop_vars(measured).assign(columns).to_dataframe().reset_index()
    return table[table[list(columns)].notna().any(axis=1)]


def _narrow(data: "xarray.Dataset") -> "xarray.Dataset":
    """What NetCDF 3 can hold: integers of 32 bits (larger ones become floats), names without a slash."""
    for name, variable in data.variables.items():
        if (
            variable.dtype.kind in "iu"
            and variable.size
            and abs(variable.values.astype(float)).max() >= 2**31
        ):
            data = data.assign_coords({name: data[name].astype(float)})
    return data.rename({name: str(name).replace("/", ".") for name in data.variables if "/" in str(name)})
