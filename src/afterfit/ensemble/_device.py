"""One device for each worker process: a GPU where there are several, else a core."""

import fcntl
import functools
import os
import pathlib
import stat
import tempfile

from ._machine import share_cores


_VISIBLE = "CUDA_VISIBLE_DEVICES"


@functools.cache
def take_device() -> None:
    """Leaves this process one GPU and one core, before JAX starts.

    GPUs are shared out by locks that die with their process; workers beyond the number of GPUs share them.
    What a user has chosen, by flags or by starting JAX earlier, stays.
    """
    gpus = _gpus()
    if len(gpus) > 1:
        os.environ[_VISIBLE] = _free(gpus)
    share_cores(1)


def _gpus() -> list[str]:
    """The names of the GPUs that this process may use."""
    if _VISIBLE in os.environ:
        return [name for name in os.environ[_VISIBLE].split(",") if name]
    names = (path.name.removeprefix("nvidia") for path in pathlib.Path("/dev").glob("nvidia[0-9]*"))
    return sorted(names, key=int)


def _free(gpus: list[str]) -> str:
    """The first GPU that no other worker of this user has on this machine, and takes it.

    **Raises:** `OSError` where the folder of the locks is somebody else's: anybody may make one of its name.
    """
    folder = pathlib.Path(tempfile.gettempdir()) / f"afterfit-devices-{os.getuid()}"
    folder.mkdir(exist_ok=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise OSError(
            f"Expected a folder of this user's, got {folder} of user {found.st_uid}: remove it or set TMPDIR."
        )
    for gpu in gpus:
        handle = os.open(folder / gpu.replace("/", "-"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # taken, or no locks here
            os.close(handle)
        else:
            return gpu  # the handle stays open: the lock is for the life of the process
    return gpus[os.getpid() % len(gpus)]
