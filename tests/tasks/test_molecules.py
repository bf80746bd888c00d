"""Molecules: graphs by hand and by RDKit's own counts, tables good and bad, generated molecules."""

import bz2
import collections
import dataclasses
import gzip
import io
import sys
import tarfile

import hypothesis
import hypothesis.strategies as st
import jax.numpy as jnp
import numpy as np
import pytest

import afterfit as af
from afterfit.tasks import _properties, GeneratedMolecules, Official, QM9
from afterfit.tasks._graphs import graph_of_smiles, padded_graph


SYMBOLS = np.array(["H", "C", "N", "O", "F"])
ALKANES = [("gdb_" + str(n), "C" * n, 6.9 + 10.5 * n) for n in range(1, 10)]


@pytest.fixture
def rdkit():
    return pytest.importorskip("rdkit.Chem", reason="RDKit is not installed")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder for the files of QM9, which no other place of this machine can stand in for."""
    monkeypatch.setenv("AFTERFIT_DATA", str(tmp_path))
    monkeypatch.setenv("AFTERFIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "qm9").mkdir()
    return tmp_path / "qm9"


def csv_text(molecules=ALKANES, columns="mol_id,smiles,mu,alpha"):
    return "\n".join([columns, *(f"{name},{smiles},0.1,{value}" for name, smiles, value in molecules)]) + "\n"


# --- graphs -----------------------------------------------------------------------------------------


def features(symbol, number, hydrogens):
    return [*(SYMBOLS == symbol).astype(int), number, 0, 0, 0, 0, hydrogens]


def test_methane_by_hand(rdkit):
    atoms, bonds = graph_of_smiles("C")
    assert atoms.shape == (29, 11) and bonds.shape == (29, 29)
    assert atoms[:5].tolist() == [features("C", 6, 4), *4 * [features("H", 1, 0)]]
    expected = np.zeros((29, 29))
    expected[0, 1:5] = expected[1:5, 0] = 1
    np.testing.assert_array_equal(bonds, expected)
    assert not atoms[5:].any()


def test_hydrogen_cyanide_by_hand(rdkit):
    atoms, bonds = graph_of_smiles("C#N")
    assert atoms[:3].tolist() == [features("C", 6, 1), features("N", 7, 0), features("H", 1, 0)]
    assert bonds[:3, :3].tolist() == [[0, 3, 1], [3, 0, 0], [1, 0, 0]]
    assert bonds.sum() == 8


def test_benzene_is_kekulised(rdkit):
    atoms, bonds = graph_of_smiles("c1ccccc1")
    ring = bonds[:6, :6]
    np.testing.assert_array_equal(ring, ring.T)
    assert [ring[i, (i + 1) % 6] for i in range(6)] in ([1, 2] * 3, [2, 1] * 3)
    assert ring.sum() == 2 * 9  # nothing across the ring
    assert atoms[:6].tolist() == 6 * [features("C", 6, 1)]
    assert atoms[6:12].tolist() == 6 * [features("H", 1, 0)]
    np.testing.assert_array_equal(bonds[:6, 6:12], np.eye(6))


def test_graphs_without_rdkit_are_the_same():
    methane = padded_graph([6, 1, 1, 1, 1], [(0, index, 1) for index in range(1, 5)])
    assert methane.atoms[0].tolist() == features("C", 6, 4)
    assert methane.bonds.sum() == 8
    with pytest.raises(ValueError, match="at most 29 atoms, got 30"):
        padded_graph([6] * 30, [])
    with pytest.raises(ValueError, match="must be H, C, N, O, F, got atomic number 17"):
        padded_graph([6, 17], [(0, 1, 1)])


def test_the_sample_has_the_counts_of_rdkit(rdkit, data_folder):
    """Formula, hydrogens and bonds of 300 real molecules."""
    from rdkit.Chem import rdMolDescriptors

    if not (data_folder / "qm9").is_dir():
        pytest.skip("the folder of data sets has no qm9")
    table = _properties.read_properties("alpha")
    assert len(set(table.ids)) == len(table.ids)
    numbers = [int(name.removeprefix("gdb_")) for name in table.ids]
    assert numbers == sorted(numbers)
    for smiles in table.smiles[:150] + table.smiles[-150:]:
        molecule = rdkit.MolFromSmiles(smiles)
        atoms, bonds = graph_of_smiles(smiles)
        counted = collections.Counter(SYMBOLS[np.flatnonzero(atoms[:, :5]) % 5])
        formula = "".join(f"{s}{counted[s] if counted[s] > 1 else ''}" for s in "CHFNO" if counted[s])
        # Hill's order puts hydrogen into the alphabet where there is no carbon, and charges at the end.
        assert sorted(formula) == sorted(rdMolDescriptors.CalcMolFormula(molecule).rstrip("+-"))
        heavy = atoms[:, 0] == 0
        own = [atom.GetTotalNumHs() for atom in molecule.GetAtoms()]
        np.testing.assert_array_equal(atoms[: len(own), -1], own)
        assert np.array_equal(np.sum(bonds[:, ~heavy] > 0, axis=1)[: len(own)], own)
        valences = [atom.GetTotalValence() for atom in molecule.GetAtoms()]
        np.testing.assert_array_equal(bonds.sum(axis=1)[: len(own)], valences)
    alpha = QM9(molecules=100).data(0).targets
    assert alpha.min() > 5 and 30 < alpha.mean() < 80  # cubic bohr


# --- the task ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
def test_a_table_in_any_order_with_repeats(folder, rdkit, compressed):
    text = csv_text([*ALKANES[::-1], *ALKANES[3:6]])
    if compressed:
        (folder / "qm9.csv.gz").write_bytes(gzip.compress(text.encode()))
    else:
        (folder / "qm9.csv").write_text(text)
    data = QM9(molecules=6).data(0)
    assert data.inputs["atoms"].dtype == np.float32 and data.inputs["bonds"].dtype == np.int8
    carbons = data.inputs["atoms"][:, :, 1].sum(axis=1)
    np.testing.assert_array_equal(carbons, range(1, 7))  # by id: the smallest first
    np.testing.assert_allclose(data.targets[:, 0], 6.9 + 10.5 * carbons, rtol=1e-6)
    assert (int(data.train_count), int(data.test_count), data.train_capacity) == (3, 3, 3)
    assert sorted(data.rows.tolist()) == list(range(6))
    assert not np.array_equal(data.rows, QM9(molecules=6).data(1).rows)


def test_standardised_targets_and_another_property(folder, rdkit):
    (folder / "qm9_sample.csv").write_text(csv_text())
    plain, scaled = (QM9(molecules=9, standardised=flag).data(4) for flag in (False, True))
    train, rows = plain.targets[plain.rows[:4]], scaled.rows[:4]
    np.testing.assert_allclose(scaled.targets, (plain.targets - train.mean()) / train.std(), rtol=1e-5)
    assert abs(scaled.targets[rows].mean()) < 1e-6 and abs(scaled.targets[rows].std() - 1) < 1e-6
    np.testing.assert_allclose(QM9(molecules=4, target="mu").data(0).targets, 0.1)
    with pytest.raises(ValueError, match="`standardised` needs training molecules with different targets"):
        QM9(molecules=4, target="mu", standardised=True).data(0)


def test_random_molecules_are_drawn_from_all(folder, rdkit):
    (folder / "qm9.csv").write_text(csv_text())
    task = QM9(molecules=4, order="random")
    drawn = [task.data(seed) for seed in range(30)]
    carbons = [set(data.inputs["atoms"][:, :, 1].sum(axis=1).astype(int)) for data in drawn]
    assert set().union(*carbons) == set(range(1, 10)) and all(len(found) == 4 for found in carbons)
    # A pack may hold the first molecules once for all its runs, but not those that a seed draws.
    assert task.shared == () and QM9().shared == ("inputs",)


def test_sizes_of_one_room_share_a_program_and_its_molecules(folder, rdkit):
    (folder / "qm9.csv").write_text(csv_text())
    few, many = QM9(molecules=4, room=12).data(0), QM9(molecules=9, room=12).data(1)
    assert few.inputs is many.inputs
    assert few.targets.shape == (12, 1) and few.train_capacity == 6
    assert set(few.rows[:4].tolist()) == set(range(4)) and set(few.rows.tolist()) == set(range(4))
    experiment = af.Experiment(
        QM9(room=12, molecules=4), af.models.GraphConvolution(widths=(4,), edge_width=2, readout=3), steps=3
    )
    seen = []
    data = af.sweep(experiment, {"task.molecules": [4, 9], "seed": [0, 1]}).run(display=seen.append)
    assert seen[-1].programs == 1
    assert jnp.isfinite(data["test_loss"].values).all()


# --- bad files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("", {}, "qm9.csv is empty"),
        ("mol_id,alpha\ngdb_1,3\n", {}, "must have the columns mol_id and smiles, got mol_id, alpha"),
        (csv_text(), {"target": "alfa"}, "unknown `target` 'alfa': did you mean 'alpha'?"),
        (csv_text(), {"target": "colour"}, "unknown `target` 'colour': qm9.csv has mu, alpha"),
        (csv_text(), {"molecules": 10}, "`molecules` must be at most 9, the molecules in .*, got 10"),
        (csv_text() + "gdb_10,C\n", {}, "line 11: 4 cells expected, got 2"),
        (
            csv_text([("gdb_7", "C1CC", 3)] * 2 + ALKANES[:3]),
            {},
            "qm9.csv, gdb_7: SMILES 'C1CC' is no molecule",
        ),
        (csv_text([("gdb_8", "", 3)] + ALKANES[:3]), {}, "gdb_8: SMILES '' is no molecule"),
        (csv_text([("gdb_9", "C" * 10, 3)] + ALKANES[:3]), {}, "gdb_9: .* at most 29 atoms, got 32"),
        (csv_text([("gdb_9", "CCl", 3)] + ALKANES[:3]), {}, "gdb_9: .* got atomic number 17"),
        (csv_text([("gdb_5", "C", "high")]), {}, "gdb_5: alpha must be a number, got 'high'"),
        (csv_text([("gdb_5", "C", "nan")]), {}, "gdb_5: alpha must be a number, got 'nan'"),
        (csv_text([("methane", "C", 13)]), {}, "id must end with its number, as gdb_1 does, got 'methane'"),
    ],
)
def test_bad_tables(folder, rdkit, text, changes, message):
    (folder / "qm9.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(QM9(molecules=4), **changes).data(0)


def test_truncated_and_other_files(folder):
    whole = gzip.compress(csv_text(ALKANES * 50).encode())
    for damaged in (whole[:-30], whole[:20], b"no gzip at all", whole[:40] + b"x" * 40 + whole[80:]):
        (folder / "qm9.csv.gz").write_bytes(damaged)
        with pytest.raises(
            ValueError, match=r"qm9.csv.gz (is incomplete|is a damaged gzip|must have the col)"
        ):
            QM9().data(0)
    (folder / "qm9.csv").write_bytes(b"mol_id,smiles,alpha\n\xff\xfe\xfa")
    with pytest.raises(ValueError, match="qm9.csv is damaged"):
        QM9().data(0)


def test_missing_rdkit_is_named_with_the_remedy(folder, monkeypatch):
    (folder / "qm9.csv").write_text(csv_text([("gdb_1", "CCNCC", 3), ("gdb_2", "CCNCCO", 4)]))
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(ValueError, match=r"^molecules are read by RDKit.* pip install 'afterfit.molecules."):
        QM9(molecules=2).data(0)


# --- the official archive ---------------------------------------------------------------------------

METHANE = """5
gdb 1\t157.7118\t157.70997\t157.70699\t0.\t13.21\t-0.3877\t0.1171\t0.5048\t35.3641\t0.044749\t-40.47893\t\
-40.476062\t-40.475117\t-40.498597\t6.469\t
C\t-0.0126981359\t 1.0858041578\t 8.0010*^-6\t-0.535689
H\t 0.002150416\t-0.0060313176\t 0.0019761204\t 0.133921
H\t 1.0117308433\t 1.4637511618\t 0.0002765748\t 0.133922
H\t-0.540815069\t 1.4475266138\t-0.8766437152\t 0.133923
H\t-0.5238136345\t 1.4379326443\t 0.9063972942\t 0.133923
1341.307\t1341.3284\t1341.365\t1562.6731\t1562.7453\t3038.3205\t3151.6034\t3151.6788\t3151.7078
C\tC\t
InChI=1S/CH4/h1H4\tInChI=1S/CH4/h1H4
"""
AMMONIA = METHANE.replace("gdb 1\t", "gdb 2\t").replace("C\tC\t\n", "N\tN\t\n").replace("13.21", "9.46*^0")


def archive_of(*files):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, text in files:
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return bz2.compress(raw.getvalue())


def test_the_official_archive(folder, rdkit, monkeypatch):
    monkeypatch.setattr(_properties, "OFFICIAL", Official("https://example.com/none"))
    path = folder / "dsgdb9nsd.xyz.tar.bz2"
    files = [
        ("dsgdb9nsd_000002.xyz", AMMONIA),
        ("readme.txt", "no molecule"),
        ("dsgdb9nsd_000001.xyz", METHANE),
    ]
    path.write_bytes(archive_of(*files))
    data = QM9(molecules=2).data(0)
    np.testing.assert_allclose(data.targets[:, 0], [13.21, 9.46], rtol=1e-6)
    assert data.inputs["atoms"][:, 0, 5].tolist() == [6, 7]
    np.testing.assert_allclose(QM9(molecules=2, target="cv").data(0).targets, 6.469, rtol=1e-6)
    np.testing.assert_allclose(QM9(molecules=2, target="A").data(0).targets, 157.7118, rtol=1e-6)
    with pytest.raises(ValueError, match="unknown `target` 'zvpe': did you mean 'zpve'?"):
        QM9(molecules=2, target="zvpe").data(0)

    path.write_bytes(archive_of(("dsgdb9nsd_000003.xyz", "5\ngdb 3\n")))
    with pytest.raises(ValueError, match="dsgdb9nsd_000003.xyz: 15 properties and SMILES expected"):
        QM9(molecules=2).data(0)
    path.write_bytes(archive_of(*files)[:-200])
    with pytest.raises(ValueError, match="is damaged"):
        QM9(molecules=2).data(0)


def test_another_file_under_the_official_name_is_refused(folder):
    (folder / "dsgdb9nsd.xyz.tar.bz2").write_bytes(archive_of(("a.xyz", METHANE)))
    with pytest.raises(ValueError, match="its sha256 must be 3a63848a"):
        QM9(molecules=2).data(0)


@pytest.mark.parametrize("task", [QM9, GeneratedMolecules])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"molecules": 1}, "`molecules` must be a whole number of at least 2"),
        ({"room": 99}, r"`room` must be a whole number of at least 100 \(`molecules`\), got 99"),
    ],
)
def test_bad_counts(task, changes, message):
    with pytest.raises(ValueError, match=message):
        task(**changes)


# --- generated molecules ----------------------------------------------------------------------------


@hypothesis.settings(max_examples=10)
@hypothesis.given(seed=st.integers(0, 2**32 - 1))
def test_generated_molecules_respect_valences_and_their_formula(seed):
    data = GeneratedMolecules(molecules=20).data(seed)
    atoms, bonds = data.inputs["atoms"], data.inputs["bonds"].astype(int)
    numbers = atoms[:, :, 5].astype(int)
    valences = np.zeros(10, int)
    valences[[1, 6, 7, 8, 9]] = [1, 4, 3, 2, 1]
    np.testing.assert_array_equal(bonds.sum(axis=2), valences[numbers])
    np.testing.assert_array_equal(bonds, bonds.transpose(0, 2, 1))
    assert not np.trace(bonds, axis1=1, axis2=2).any() and bonds.max() <= 3
    assert ((numbers > 1).sum(axis=1) <= 9).all()
    for own, table in zip(numbers, bonds):
        reached = np.linalg.matrix_power(np.eye(29) + table, 29)[0] > 0
        np.testing.assert_array_equal(reached, own > 0)  # one piece, and padding behind it
    shares = np.array([1.85, 7.04, 5.02, 3.17, 2.14])
    double, triple = (np.sum(bonds == kind, axis=(1, 2)) / 2 for kind in (2, 3))
    expected = atoms[:, :, :5].sum(axis=1) @ shares + 2.57 * double + 3.48 * triple
    np.testing.assert_allclose(data.targets[:, 0], expected, rtol=1e-5)
    np.testing.assert_array_equal(
        atoms[:, :, -1], (numbers > 1) * (bonds @ (numbers == 1)[..., None])[..., 0]
    )


def test_generated_molecules_are_different_to_rdkit_too(rdkit):
    data = GeneratedMolecules(molecules=200).data(0)
    kinds = [None, *(getattr(rdkit.BondType, name) for name in ("SINGLE", "DOUBLE", "TRIPLE"))]
    found = set()
    for numbers, bonds in zip(data.inputs["atoms"][:, :, 5], data.inputs["bonds"]):
        molecule = rdkit.RWMol()
        for number in numbers[numbers > 0]:
            molecule.AddAtom(rdkit.Atom(int(number)))
        for one, other in np.argwhere(np.triu(bonds)).tolist():
            molecule.AddBond(one, other, kinds[bonds[one, other]])
        rdkit.SanitizeMol(molecule)
        found.add(rdkit.MolToSmiles(rdkit.RemoveHs(molecule)))
    assert len(found) == 200
    assert not any("." in smiles or "[" in smiles.replace("[H]", "") for smiles in found)


def test_more_generated_molecules_begin_with_the_same():
    few, many = GeneratedMolecules(molecules=10, room=40).data(3), GeneratedMolecules(molecules=40).data(3)
    np.testing.assert_array_equal(few.inputs["bonds"], many.inputs["bonds"])
    assert set(few.rows.tolist()) == set(range(10))
    assert (int(few.train_count), int(few.test_count), few.train_capacity) == (5, 5, 20)
    other = GeneratedMolecules(molecules=40).data(4)
    assert not np.array_equal(many.inputs["bonds"], other.inputs["bonds"])
    # Sizes and targets of the order of QM9's.
    assert 35 < many.targets.mean() < 75 and 5 < many.targets.std() < 25
