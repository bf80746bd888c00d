"""Records in formats that other tools read."""

import os
import pathlib
import typing

import numpy as np

from ..store import open_dataset
from ._aside import written_aside


if typing.TYPE_CHECKING:
    import pandas
    import xarray

Format = typing.Literal["csv", "parquet", "netcdf"]
SUFFIX = {"csv": ".csv", "parquet": ".parquet", "netcdf": ".nc"}


def export(
    store: str | os.PathLike, run: str | None, to: Format, output: str | os.PathLike | None = None
) -> pathlib.Path:
    """Writes the records of a store: a long table, or a labelled NetCDF file.

    The table has a row for each run and step, and a column for each number recorded there: `sharpness`, or
    `spectrum[0]`, `spectrum[1]`, ... The NetCDF file is of version 3, which everything reads; it has "." for
    the "/" in the names of measures.

    **Arguments:** `run`: the id of one run, or its beginning; `output`: by default named after the store.

    **Returns:** the file. An existing one is replaced only once the new one is complete.

    **Raises:** `ValueError` if no run, or more than one, has that id, or the file cannot be written.
    """
    data = open_dataset(store)
    target = pathlib.Path(output) if output else pathlib.Path(pathlib.Path(store).resolve().name + SUFFIX[to])
    if run is not None:
        data = data.where(data["run"] == _only(data, run), drop=True)
    with written_aside(target) as aside:
        if to == "netcdf":
            _narrow(data).to_netcdf(aside, engine="scipy", format="NETCDF3_64BIT")
        elif to == "csv":
            _table(data).to_csv(aside, index=False)
        else:
            _table(data).to_parquet(aside, index=False)
    return target


def _only(data: "xarray.Dataset", beginning: str) -> str:
    ids = sorted({str(found) for found in data["run"].values.ravel() if str(found)})
    matching = [found for found in ids if found.startswith(beginning)]
    if len(matching) != 1:
        told = f"{len(matching)} runs begin so" if matching else "there is none"
        raise ValueError(f"which run is {beginning!r}? {told}; some ids: {', '.join((matching or ids)[:4])}")
    return matching[0]


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
