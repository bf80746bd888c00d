"""Tables that a user brings along."""

import dataclasses
import typing

import numpy as np
import pytest

from afterfit.tasks import BinaryOperation, TableTask


SQUARE = ((0, 1, 2), (1, 2, 0), (2, 0, -1))


def test_numbers_of_any_kind_make_the_same_task():
    kinds: list[typing.Any] = [
        [list(row) for row in SQUARE],
        [[0, 1, 2], [1, 2, 0], [2, 0, None]],
        np.array(SQUARE),
        np.where(np.array(SQUARE) < 0, np.nan, SQUARE),
    ]
    for kind in kinds:
        assert TableTask.from_array(kind) == TableTask(SQUARE)
        assert hash(TableTask.from_array(kind)) == hash(TableTask(SQUARE))
    np.testing.assert_array_equal(TableTask(SQUARE).answers, SQUARE)


def test_function_gives_the_table_of_the_operation():
    table = TableTask.from_function(lambda x, y: (x - y) % 7, size=7, fraction=0.3, outliers=2)
    assert isinstance(table.table, tuple)
    one, other = table.data(3), BinaryOperation("x-y", modulus=7, fraction=0.3, outliers=2).data(3)
    np.testing.assert_array_equal(one.rows, other.rows)
    np.testing.assert_array_equal(one.targets, other.targets)


def test_table_need_not_be_square():
    task = TableTask.from_function(lambda x, y: x * y if x else None, size=(3, 5), fraction=0.5)
    data = task.data(0)
    assert (data.symbols, data.outputs) == (5, 9)
    assert data.train_count + data.test_count == 10
    used = data.inputs[data.rows[:10]]
    assert {tuple(pair) for pair in used.tolist()} == {(x, y) for x in (1, 2) for y in range(5)}
    np.testing.assert_array_equal(data.targets[data.rows[:10]], used.prod(axis=1))


def test_vocabulary_and_answers_can_be_set_apart():
    data = TableTask(SQUARE, symbols=6, outputs=4).data(0)
    assert (data.symbols, data.outputs, data.inputs.shape) == (6, 4, (36, 2))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("table.csv", "0,1,2\n1,2,0\n2,0,\n"),
        ("table.csv", "# a comment\n0, 1, 2\n\n1, 2, 0  # another\n2, 0, -1\n"),
        ("table.csv", "\ufeff0;1;2\r\n1;2;0\r\n2;0;None\r\n"),
        ("table.tsv", "0\t1\t2\n1\t2\t0\n2\t0\t\n"),
        ("table.txt", "0 1 2\n1  2 0\n2 0 ?"),
    ],
)
def test_text_files(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(text.encode())
    task = TableTask(str(path))
    np.testing.assert_array_equal(task.answers, SQUARE)
    np.testing.assert_array_equal(task.data(1).rows, TableTask(SQUARE).data(1).rows)


def test_array_file(tmp_path):
    path = tmp_path / "table.npy"
    np.save(path, np.array(SQUARE))
    np.testing.assert_array_equal(TableTask(str(path)).answers, SQUARE)


def test_recipe_with_a_file_means_one_table_for_good(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("0,1\n1,0\n")
    task = TableTask(str(path))
    assert dataclasses.replace(task, fraction=0.25).table == task.table
    path.write_text("0,1\n1,1\n")
    assert TableTask(str(path)).table != task.table
    path.unlink()
    assert TableTask(task.table).table == task.table
    with pytest.raises(ValueError, match=r"table.csv' cannot be read: No such file"):
        TableTask(str(path))


def test_changed_file_is_refused(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("0,1\n1,0\n")
    stored = TableTask(f"{path}#sha256:0123456789abcdef")
    with pytest.raises(
        ValueError, match="has changed: expected digest 0123456789abcdef, got [0-9a-f]{16}; restore"
    ):
        stored.data(0)


@pytest.mark.parametrize(
    ("table", "fields", "message"),
    [
        (((0, 1), (2,)), {}, r"rows of `table` must have one and the same length, got lengths \[1, 2\]"),
        (
            ((0, 1), (2, 1.5)),
            {},
            r"`table`, row 1, column 1: expected a whole number of at least 0, .* got 1\.5",
        ),
        (((0, -2), (2, 1)), {}, r"`table`, row 0, column 1: .* got -2"),
        (((0, True), (2, 1)), {}, r"`table`, row 0, column 1: .* got True"),
        (((), ()), {}, "at least one row and one column"),
        ((), {}, "at least one row and one column"),
        (7, {}, "`table` must be rows of whole numbers or the name of a file, got 7"),
        (((-1, -1), (-1, 0)), {}, "at least 2 equations, one to train and one to test, got 1"),
        (SQUARE, {"outputs": 2}, "answers must be below the number of outputs, got answer 2 and 2 outputs"),
        (SQUARE, {"symbols": 2}, "`symbols` must be a whole number of at least 3"),
        (SQUARE, {"fraction": 1.0}, "`fraction` must lie strictly between 0 and 1"),
        (SQUARE, {"outliers": 5}, "got 5 outliers and 4 training equations"),
    ],
)
def test_bad_tables_are_named(table: typing.Any, fields, message):
    with pytest.raises(ValueError, match=message):
        TableTask.from_array(table, **fields)


def test_bad_cell_of_a_file_is_named(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("0,1\nabc,0\n")
    with pytest.raises(ValueError, match="row 1, column 0: .* got 'abc'"):
        TableTask(str(path))
