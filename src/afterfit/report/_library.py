"""The script that draws charts in a browser: Vega, Vega-Lite and their embedder."""

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import subprocess
import sys

from .._folders import cache_folder
from ._aside import written_aside


_NAMES = "window.vegaEmbed = vegaEmbed;"


@functools.cache
def library() -> str:
    """The script (0.9 MB). Making it takes seconds, so it is kept in the user's cache folder."""
    version = importlib.metadata.version("vl-convert-python")
    digest = hashlib.sha256(_NAMES.encode()).hexdigest()[:8]
    kept = cache_folder() / "scripts" / f"vega-{version}-{digest}.js"
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return kept.read_text("utf-8")
    script = _made()
    with contextlib.suppress(OSError, ValueError):  # without a cache it is made again next time
        kept.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(kept) as aside:
            aside.write_text(script, "utf-8")
    return script


def _made() -> str:
    # In a process of its own, as making it would stop all other threads of this one.
    made = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys, vl_convert; sys.stdout.write(vl_convert.javascript_bundle({_NAMES!r}))",
        ],
        check=True,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    bundle = made.stdout.replace("</script", "<\\/script")
    # As a plain script the bundle would claim hundreds of short global names.
    return f"(() => {{{bundle}\n}})();"
