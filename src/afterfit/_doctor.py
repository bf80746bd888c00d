"""What this machine has, and what is missing and how to get it."""

import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import Iterator


_EXTRAS = {"molecules": "rdkit", "cluster": "distributed"}


def doctor() -> str:
    """Devices, memory, data sets found and versions, as lines of text."""
    from .ensemble import cache_folder, prepare

    prepare()
    import jax

    from ._memory import free_memory

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
    return "\n".join([*lines, *_data_sets()])


def _data_sets() -> Iterator[str]:
    """Which files the tasks would read; what they could download is not downloaded."""
    from .tasks._files import data_folders, look_for_file
    from .tasks._images import mnist_names
    from .tasks._properties import QM9_NAMES
    from .tasks._reviews import IMDB_NAMES

    yield "data sets:" if os.environ.get("AFTERFIT_DATA") else "data sets (AFTERFIT_DATA is not set):"
    for title, folder, names in (
        ("MNIST, 60,000 training images", "mnist", mnist_names("train", "images")),
        ("MNIST, their labels", "mnist", mnist_names("train", "labels")),
        ("MNIST, 10,000 test images", "mnist", mnist_names("t10k", "images")),
        ("MNIST, their labels", "mnist", mnist_names("t10k", "labels")),
        ("QM9", "qm9", QM9_NAMES),
        ("IMDb", "imdb", IMDB_NAMES),
    ):
        found = look_for_file(folder, names)
        missing = f"missing; put {names[0]} into {data_folders(folder)[0]}"
        yield f"  {title}: {missing if found is None else found}"
