"""Archives that somebody made to do harm: nothing is written, followed or unpacked without end."""

import bz2
import gzip
import io
import lzma
import pathlib
import tarfile

import pytest

from afterfit.tasks import _files, _properties, DataError, QM9
from afterfit.tasks._files import read_bytes


HEAD = "2\ngdb 1 " + " ".join(["1.5"] * 15)
MOLECULE = f"{HEAD}\nC 0 0 0 0\nH 0 0 0 0\n1 2\nC\tC\nInChI=1S/CH4\n".encode()


@pytest.fixture(name="folder")
def _folder(tmp_path, monkeypatch) -> pathlib.Path:
    """Where QM9 is looked for; its archive need not be the official one here."""
    monkeypatch.setenv("AFTERFIT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("AFTERFIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_properties, "OFFICIAL", None)
    (tmp_path / "data" / "qm9").mkdir(parents=True)
    return tmp_path / "data" / "qm9"


def _archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for member, contents in members:
            archive.addfile(member, io.BytesIO(contents))
    return raw.getvalue()


def _member(
    name: str, size: int = len(MOLECULE), kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = size, kind, link
    return member


def _files_below(folder: pathlib.Path) -> set[pathlib.Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("packed", [bz2.compress, gzip.compress, lzma.compress, bytes])
@pytest.mark.parametrize("name", ["../../../evil.xyz", "/evil-of-a-test.xyz", "a/b.xyz", "../\u00e4.xyz"])
def test_names_in_an_archive_lead_nowhere(folder, packed, name):
    (folder / "dsgdb9nsd.xyz.tar.bz2").write_bytes(packed(_archive((_member(name), MOLECULE))))
    before = _files_below(folder.parents[1])
    assert _properties.read_properties("alpha").values.tolist() == [1.5]
    assert _files_below(folder.parents[1]) == before
    assert not pathlib.Path("/evil-of-a-test.xyz").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_in_an_archive_are_not_followed(folder, tmp_path, kind):
    (tmp_path / "secret").write_bytes(MOLECULE.replace(b"C\tC", b"SECRET\tC"))
    link = _member("evil.xyz", 0, kind, str(tmp_path / "secret"))
    (folder / "dsgdb9nsd.xyz.tar.bz2").write_bytes(bz2.compress(_archive((link, b""))))
    with pytest.raises(DataError, match="is damaged") as caught:
        _properties.read_properties("alpha")
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_devices_in_an_archive_are_no_molecules(folder, kind):
    member = _member("evil.xyz", 0, kind)
    (folder / "dsgdb9nsd.xyz.tar.bz2").write_bytes(
        bz2.compress(_archive((member, b""), (_member("a.xyz"), MOLECULE)))
    )
    assert _properties.read_properties("alpha").values.tolist() == [1.5]


def test_a_molecule_of_any_size_is_none(folder):
    member = _member("evil.xyz", 40 << 20)
    (folder / "dsgdb9nsd.xyz.tar.bz2").write_bytes(bz2.compress(_archive((member, bytes(40 << 20)))))
    with pytest.raises(DataError, match="evil.xyz: 41,943,040 bytes are no molecule"):
        _properties.read_properties("alpha")


BOMB = 8 << 20  # bytes, which take a few thousand packed


@pytest.fixture(name="bounded")
def _bounded(monkeypatch) -> None:
    """A bomb that takes a gigabyte would take the test as long."""
    monkeypatch.setattr(_files, "MOST_UNPACKED", 1 << 20)


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("packed", [bz2.compress, gzip.compress, lzma.compress])
@pytest.mark.parametrize("name", ["evil.bin", "evil.xyz"])
def test_an_archive_without_end(folder, packed, name):
    members = [(_member(f"{number}-{name}", 1 << 19), bytes(1 << 19)) for number in range(BOMB >> 19)]
    if name == "evil.xyz":  # a header that is read whole, as if it were the name of what follows
        members = [(_member("long", BOMB, tarfile.XHDTYPE), bytes(BOMB))]
    (folder / "dsgdb9nsd.xyz.tar.bz2").write_bytes(packed(_archive(*members)))
    with pytest.raises(DataError, match="holds more than 1,048,576 bytes"):
        _properties.read_properties("alpha")


@pytest.mark.usefixtures("bounded")
def test_tables_and_images_without_end(folder, tmp_path):
    bomb = gzip.compress(bytes(BOMB))
    (folder / "qm9.csv.gz").write_bytes(bomb)
    with pytest.raises(DataError, match="qm9.csv.gz holds more than 1,048,576 bytes"):
        QM9(molecules=4).data(0)
    for name, contents in (("images.gz", bomb), ("plain", bytes(BOMB))):
        (tmp_path / name).write_bytes(contents)
        with pytest.raises(DataError, match=f"{name} holds more than 1,048,576 bytes"):
            read_bytes(tmp_path / name)
    (tmp_path / "full").write_bytes(gzip.compress(bytes(1 << 20)))  # as much as there may be
    assert len(read_bytes(tmp_path / "full")) == 1 << 20
