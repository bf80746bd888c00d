"""What this machine has, and what is missing and how to get it."""

import importlib.metadata
import importlib.util
import os
import pathlib
import platform


_DATA = {
    "MNIST": ("mnist", ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz")),
    "QM9": ("qm9", ("qm9.csv.gz", "qm9_sample.csv.gz")),
    "IMDb": ("imdb", ("imdb.csv.gz", "imdb_sample.csv.gz")),
}
_EXTRAS = {"molecules": "rdkit", "cluster": "distributed"}


def doctor() -> str:
    """Devices, memory, data sets found and versions, as lines of text."""
    from .ensemble import cache_folder, prepare

    prepare()
    import jax

    from .ensemble import free_memory

    lines = [f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"]
    for name in ("afterfit", "jax", "equinox", "optax", "numpy", "xarray"):
        lines.append(f"{name} {importlib.metadata.version(name)}")
    try:
        devices = jax.local_devices()
    except (RuntimeError, AssertionError) as error:  # JAX's words for a platform that is not there
        asked = os.environ.get("JAX_PLATFORMS", "")
        lines.append(f"devices: none with JAX_PLATFORMS={asked!r}; unset it to use what is there. {error}")
    else:
        kind, free = devices[0].device_kind, free_memory(devices[0]) / 2**30
        lines.append(f"devices: {len(devices)} x {kind} ({free:.1f} GiB free on each)")
        if devices[0].platform == "cpu":
            lines.append('  no accelerator in use; with an NVIDIA GPU: pip install "afterfit[gpu]"')
    lines.append(f"cache: {cache_folder()}")
    for extra, module in _EXTRAS.items():
        found = importlib.util.find_spec(module) is not None
        lines.append(f"{extra}: " + ("found" if found else f'missing; pip install "afterfit[{extra}]"'))
    folder = pathlib.Path(os.environ.get("AFTERFIT_DATA") or cache_folder() / "data")
    lines.append(f"data sets in {folder}:")
    for title, (subfolder, names) in _DATA.items():
        found = [name for name in names if (folder / subfolder / name).exists()]
        wanted = f"missing; put {names[0]} into {folder / subfolder}"
        lines.append(f"  {title}: " + (", ".join(found) if found else wanted))
    return "\n".join(lines)
