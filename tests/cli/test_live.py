"""The live page from the command line; the page itself is tested in `tests/report/test_live.py`."""

import socket

import pytest


def test_a_page_beside_a_training(afterfit, written, tmp_path):
    code, out, err = afterfit("run", written(), "--store", tmp_path / "s", "--live", "--no-browser")
    assert code == 0
    assert out.splitlines()[0].startswith("live page: http://localhost:")
    assert "1 of 1 runs" in err


def test_without_a_store_there_is_no_page(afterfit, tmp_path):
    code, _, err = afterfit("view", tmp_path / "nowhere", "--no-browser")
    assert code == 2 and "does not exist" in err


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_a_wrong_port(afterfit, stored, port):
    code, _, err = afterfit("view", stored, "--port", port)
    assert code == 2 and f"needs a number from 1 to 65535, got '{port}'" in err


def test_a_port_that_is_taken(afterfit, stored):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, err = afterfit("view", stored, "--port", taken.getsockname()[1], "--no-browser")
    assert code == 2 and "Try another --port" in err


def test_a_taken_port_is_found_before_the_training(afterfit, written, tmp_path, untrained):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = afterfit("run", written(), "--store", tmp_path / "s", "--live", "--port", port)
    assert code == 2 and "Try another --port" in err
