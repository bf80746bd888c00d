"""The cache folder, also of a user who has no home."""

import os
import pathlib

import pytest

from afterfit._folders import cache_folder


@pytest.fixture
def homeless(monkeypatch, tmp_path) -> pathlib.Path:
    """The folder that a user without a home has among the temporary files, which are here."""

    def none():
        raise RuntimeError("Could not determine home directory.")

    for name in ("AFTERFIT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pathlib.Path.home", none)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / f"afterfit-{os.getuid()}"


def test_settings_go_before_the_home(monkeypatch):
    monkeypatch.setenv("AFTERFIT_CACHE", "/somewhere")
    assert cache_folder() == pathlib.Path("/somewhere")
    monkeypatch.delenv("AFTERFIT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_folder() == pathlib.Path("/caches/afterfit")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/somebody")
    assert cache_folder() == pathlib.Path("/somebody/.cache/afterfit")


def test_without_a_home_there_is_a_folder_of_ones_own(homeless):
    assert cache_folder() == cache_folder() == homeless
    assert homeless.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("taken", ["link", "file", "open to all", "somebody else's"])
def test_a_folder_that_others_may_write_to_is_refused(homeless, tmp_path, monkeypatch, taken):
    match taken:
        case "link":
            (tmp_path / "trap").mkdir()
            homeless.symlink_to(tmp_path / "trap")
        case "file":
            homeless.write_text("")
        case "open to all":
            homeless.mkdir()
            homeless.chmod(0o777)
        case _:
            homeless.mkdir(mode=0o700)
            monkeypatch.setattr("os.getuid", lambda mine=os.getuid(): mine + 1)
            homeless.rename(tmp_path / f"afterfit-{os.getuid()}")
    with pytest.raises(PermissionError, match="set AFTERFIT_CACHE to another"):
        cache_folder()
