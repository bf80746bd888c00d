"""Records in formats that other tools read."""

import os
import pathlib
import typing

from ..store import open_dataset


Format = typing.Literal["csv", "parquet", "netcdf"]
SUFFIX = {"csv": ".csv", "parquet": ".parquet", "netcdf": ".nc"}


def export(
    store: str | os.PathLike, run: str | None, to: Format, output: str | os.PathLike | None = None
) -> pathlib.Path:
    """Writes the records of a store: a long table (a row for each run and step), or a labelled NetCDF file.

    **Arguments:** `run`: the id of one run, or its beginning; `output`: by default named after the store.

    **Returns:** the file. An existing one is replaced only once the new one is complete.

    **Raises:** `ValueError` if no run, or more than one, has that id.
    """
    data = open_dataset(store)
    target = pathlib.Path(output) if output else pathlib.Path(pathlib.Path(store).resolve().name + SUFFIX[to])
    if run is not None:
        data = data.where(data["run"] == _only(data, run), drop=True)
    aside = target.with_name(f".{target.name}.part")
    try:
        _write(data, to, aside)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    return target


def _only(data: typing.Any, beginning: str) -> str:
    ids = sorted({str(found) for found in data["run"].values.ravel() if str(found)})
    matching = [found for found in ids if found.startswith(beginning)]
    if len(matching) != 1:
        told = f"{len(matching)} runs begin so" if matching else "there is none"
        raise ValueError(f"which run is {beginning!r}? {told}; some ids: {', '.join((matching or ids)[:4])}")
    return matching[0]


def _write(data: typing.Any, to: Format, target: pathlib.Path) -> None:
    if to == "netcdf":
        data.to_netcdf(target, engine="h5netcdf", invalid_netcdf=False)
        return
    table = data.to_dataframe().reset_index()
    recorded = table["train_loss"].notna()
    table = table[recorded]
    if to == "csv":
        table.to_csv(target, index=False)
    else:
        table.to_parquet(target, index=False)
