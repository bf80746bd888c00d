"""Finding, checking and downloading files: from folders made here and a server on this machine."""

import gzip
import hashlib
import http.server
import pathlib
import subprocess
import sys
import threading
import typing
from collections.abc import Iterator

import pytest

from afterfit.cli import main
from afterfit.tasks import DataError, find_file, Official
from afterfit.tasks._files import read_bytes


CONTENTS = b"some measurements\n" * 1000
CHECKSUM = f"sha256:{hashlib.sha256(CONTENTS).hexdigest()}"


@pytest.fixture
def data(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """An empty `AFTERFIT_DATA`, beside an empty cache folder."""
    monkeypatch.setenv("AFTERFIT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("AFTERFIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data" / "set").mkdir(parents=True)
    return tmp_path / "data"


def files(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- on this machine ----------------------------------------------------------------------------


def test_places_come_in_the_order_that_is_documented(data: pathlib.Path):
    cached = data.parent / "cache" / "data" / "set"
    cached.mkdir(parents=True)
    for place in (cached, data, data / "set"):
        (place / "a.csv").write_bytes(CONTENTS)
        assert find_file("set", ["a.csv"]) == place / "a.csv"


def test_the_best_name_wins_wherever_it_is(data: pathlib.Path):
    (data / "set" / "sample.csv").write_bytes(CONTENTS)
    assert find_file("set", ["whole.csv", "sample.csv"]).name == "sample.csv"
    (data / "whole.csv").write_bytes(CONTENTS)
    assert find_file("set", ["whole.csv", "sample.csv"]) == data / "whole.csv"


def test_a_missing_file_is_said_with_its_place(data: pathlib.Path, monkeypatch: pytest.MonkeyPatch):
    (data / "set" / "a.csv").mkdir()  # a folder of that name is no file
    with pytest.raises(DataError) as caught:
        find_file("set", ["a.csv", "b.csv"])
    message = str(caught.value)
    assert f"Put it (or b.csv) into {data / 'set'}, or let AFTERFIT_DATA name a folder" in message
    assert message.startswith("the data file a.csv is not on this machine.")
    monkeypatch.delenv("AFTERFIT_DATA")
    with pytest.raises(DataError, match=r"AFTERFIT_DATA \(not set now\) name a folder with set/a.csv in it"):
        find_file("set", ["a.csv"])


def test_only_the_official_name_must_have_the_official_checksum(data: pathlib.Path):
    official = Official("http://127.0.0.1:9/a.csv", CHECKSUM)
    (data / "set" / "b.csv").write_bytes(b"else")
    assert find_file("set", ["a.csv", "b.csv"], official=official).name == "b.csv"
    (data / "set" / "a.csv").write_bytes(CONTENTS)
    assert find_file("set", ["a.csv", "b.csv"], official=official).name == "a.csv"
    before = files(data.parent) | {"data/set/a.csv": CONTENTS[:-1]}
    (data / "set" / "a.csv").write_bytes(CONTENTS[:-1])
    with pytest.raises(DataError) as caught:
        find_file("set", ["a.csv", "b.csv"], official=official)
    wrong = hashlib.sha256(CONTENTS[:-1]).hexdigest()
    for part in (str(data / "set" / "a.csv"), CHECKSUM.split(":")[1], wrong):
        assert part in str(caught.value)
    assert files(data.parent) == before
    assert find_file("set", ["a.csv"], official=Official(official.address)).name == "a.csv"


PACKED = gzip.compress(CONTENTS, mtime=0)  # the time would stand in the names of the tests


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (PACKED[:2], "is incomplete"),
        (PACKED[:60], "is incomplete"),
        (PACKED[:-3], "is incomplete"),
        (PACKED[:-8] + bytes(8), "is a damaged gzip"),
        (PACKED[:12] + b"\xff" * 20 + PACKED[32:], "is a damaged gzip"),
    ],
)
def test_damaged_files_are_named(contents: bytes, message: str, tmp_path: pathlib.Path):
    path = tmp_path / "a.gz"
    path.write_bytes(contents)
    with pytest.raises(DataError, match=message) as caught:
        read_bytes(path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == contents


def test_files_are_read_packed_or_not(tmp_path: pathlib.Path):
    for contents in (PACKED, CONTENTS):
        (tmp_path / "a").write_bytes(contents)
        assert read_bytes(tmp_path / "a") == CONTENTS
    with pytest.raises(DataError, match=f"{tmp_path}: Is a directory"):
        read_bytes(tmp_path)


# --- from a server ------------------------------------------------------------------------------


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every path but /none with `CONTENTS`; on /cut the connection ends halfway."""

    def do_GET(self) -> None:
        self.send_response(404 if self.path == "/none" else 200)
        self.send_header("Content-Length", str(len(CONTENTS)))
        self.end_headers()
        self.wfile.write(CONTENTS[: len(CONTENTS) // 2] if self.path == "/cut" else CONTENTS)

    def log_message(self, format: str, *args: typing.Any) -> None:
        del format, args


@pytest.fixture
def server(data: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that runs during a test."""
    del data
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_a_good_download_is_kept_and_not_repeated(data: pathlib.Path, server: str):
    official = Official(f"{server}/good", CHECKSUM)
    path = find_file("set", ["a.csv"], official=official)
    assert path == data.parent / "cache" / "data" / "set" / "a.csv"
    assert files(data.parent) == {"cache/data/set/a.csv": CONTENTS}
    nowhere = Official("http://127.0.0.1:9/good", CHECKSUM)
    assert find_file("set", ["a.csv"], official=nowhere) == path
    assert find_file("other", ["b.csv"], official=Official(official.address)).read_bytes() == CONTENTS


@pytest.mark.parametrize(
    ("address", "checksum", "message"),
    [
        ("/good", "sha256:" + "0" * 64, f"expected sha256:{'0' * 64} but got {CHECKSUM.split(':')[1]}"),
        ("/good", "md5:" + "0" * 32, "does not match"),
        ("/cut", CHECKSUM, "IncompleteRead"),
        ("/cut", None, "IncompleteRead"),
        ("/none", CHECKSUM, "404"),
    ],
)
def test_a_bad_download_leaves_nothing(
    address: str, checksum: str | None, message: str, data: pathlib.Path, server: str
):
    with pytest.raises(DataError, match=message) as caught:
        find_file("set", ["a.csv", "b.csv"], official=Official(server + address, checksum))
    assert f"could not be downloaded from {server}{address}" in str(caught.value)
    assert f"Put it into {data / 'set'}" in str(caught.value)
    assert files(data.parent) == {}


def test_no_network_is_one_error(data: pathlib.Path, server: str):
    del server
    with pytest.raises(DataError, match="refused"):
        find_file("set", ["a.csv"], official=Official("http://127.0.0.1:9/a.csv", CHECKSUM))
    assert files(data.parent) == {}


def test_a_cache_that_cannot_be_written_is_one_error(data: pathlib.Path, server: str):
    (data.parent / "cache").write_bytes(b"")  # a file, where a folder should be
    with pytest.raises(DataError, match="could not be downloaded"):
        find_file("set", ["a.csv"], official=Official(f"{server}/good", CHECKSUM))


# --- at the command line ------------------------------------------------------------------------


def test_missing_data_is_bad_input(data: pathlib.Path, tmp_path: pathlib.Path, capsys):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('steps = 5\n[task]\nkind = "Reviews"\n[model]\nkind = "MLP"\n')
    assert main(["run", str(recipe), "--store", str(tmp_path / "runs")]) == 2
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert "afterfit: Put it (or " in err and str(data / "imdb") in err


def test_the_doctor_says_which_files_are_there(data: pathlib.Path, capsys):
    (data / "imdb.csv.gz").write_bytes(b"")
    assert main(["doctor"]) == 0
    out, _ = capsys.readouterr()
    assert f"IMDb: {data / 'imdb.csv.gz'}\n" in out
    assert f"put train-images-idx3-ubyte.gz into {data / 'mnist'}\n" in out


def test_nothing_is_loaded_before_a_download():
    script = "import sys, afterfit.tasks; print({'pooch', 'requests', 'sklearn'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"
