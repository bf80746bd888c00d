"""Tables of answers against plain Python, against sympy, and against what is known of their algebra."""

import itertools

import numpy as np
import pytest
from sympy.combinatorics import Permutation

from afterfit.tasks import BinaryOperation, operations, PermutationOperation


def over(x: int, y: int, p: int) -> int:
    return x * pow(y, -1, p)


# From x, y and p to the answer before reduction, or `None` where there is no equation.
RESIDUES = {
    "x+y": lambda x, y, p: x + y,
    "x-y": lambda x, y, p: x - y,
    "x*y": lambda x, y, p: x * y,
    "x*y nonzero": lambda x, y, p: x * y if x and y else None,
    "x/y": lambda x, y, p: over(x, y, p) if y else None,
    "x/y nonzero": lambda x, y, p: over(x, y, p) if x and y else None,
    "x/y if y odd else x-y": lambda x, y, p: over(x, y, p) if y % 2 else x - y,
    "x^2+y^2": lambda x, y, p: x * x + y * y,
    "x^2+xy+y^2": lambda x, y, p: x * x + x * y + y * y,
    "x^2+xy+y^2+x": lambda x, y, p: x * x + x * y + y * y + x,
    "x^3+xy": lambda x, y, p: x * x * x + x * y,
    "x^3+xy^2+y": lambda x, y, p: x * x * x + x * y * y + y,
    "x^2+y": lambda x, y, p: x * x + y,
    "x^3+y": lambda x, y, p: x * x * x + y,
    "x+y if x even else x*y": lambda x, y, p: x * y if x % 2 else x + y,
    "x+y if x even else x-y": lambda x, y, p: x - y if x % 2 else x + y,
}
PERMUTATIONS = {
    "x.y": lambda x, y: x * y,
    "x.y.x^-1": lambda x, y: x * y * x**-1,
    "x.y.x": lambda x, y: x * y * x,
}
ALIASES = {
    "add": "x+y",
    "sub": "x-y",
    "mul": "x*y",
    "mul_nonzero": "x*y nonzero",
    "div": "x/y",
    "div_nonzero": "x/y nonzero",
    "mix": "x/y if y odd else x-y",
    "quad1": "x^2+y^2",
    "quad2": "x^2+xy+y^2",
    "quad3": "x^2+xy+y^2+x",
    "cube1": "x^3+xy",
    "cube2": "x^3+xy^2+y",
}


def residues(name: str, modulus: int = 97) -> np.ndarray:
    return BinaryOperation(name, modulus=modulus).answers


@pytest.mark.parametrize("modulus", [5, 13, 97])
@pytest.mark.parametrize("name", RESIDUES)
def test_residue_table_equals_plain_python(name, modulus):
    rule = RESIDUES[name]
    wanted = [[rule(x, y, modulus) for y in range(modulus)] for x in range(modulus)]
    wanted = [[-1 if answer is None else answer % modulus for answer in row] for row in wanted]
    table = residues(name, modulus)
    assert table.dtype == np.int32
    np.testing.assert_array_equal(table, wanted)


@pytest.mark.parametrize("degree", [2, 3, 4, 5])
@pytest.mark.parametrize("name", PERMUTATIONS)
def test_permutation_table_equals_sympy(name, degree):
    images = list(itertools.permutations(range(degree)))
    number = {image: place for place, image in enumerate(images)}
    elements = [Permutation(image) for image in images]
    table = PermutationOperation(name, degree=degree).answers
    for x, y in itertools.product(range(len(elements)), repeat=2):
        assert table[x, y] == number[tuple(PERMUTATIONS[name](elements[x], elements[y]).array_form)]


def test_largest_group_has_the_laws_of_a_group():
    product = PermutationOperation("x.y", degree=6).answers
    elements = np.arange(720)
    np.testing.assert_array_equal(product[0], elements)
    np.testing.assert_array_equal(np.sort(product, axis=0), np.broadcast_to(elements[:, None], (720, 720)))
    x, y, z = np.random.default_rng(0).integers(720, size=(3, 1000))
    np.testing.assert_array_equal(product[product[x, y], z], product[x, product[y, z]])


def test_all_operations_are_listed_and_tested():
    assert list(operations()) == [*RESIDUES, *PERMUTATIONS]
    assert all("\n" not in line for line in operations().values())


@pytest.mark.parametrize("alias", ALIASES)
def test_alias_is_replaced_by_the_formula(alias):
    assert BinaryOperation(alias) == BinaryOperation(ALIASES[alias])


def test_alias_of_permutations_and_spaces():
    assert PermutationOperation("product") == PermutationOperation("x . y")
    assert PermutationOperation("conjugation") == PermutationOperation("x.y.x^-1")
    assert PermutationOperation("aba") == PermutationOperation("x.y.x")
    assert BinaryOperation("x + y").operation == "x+y"
    assert BinaryOperation("x/yify odd else x-y").operation == "x/y if y odd else x-y"


# Power et al. 2022 at p = 97: equations, share of mirrors that agree, Latin rows and columns, and how
# often the most frequent answer comes.
FACTS = [
    ("add", 9409, 9409, True, True, 97),
    ("sub", 9409, 97, True, True, 97),
    ("div", 9312, 192, False, True, 96),
    ("mix", 9409, None, False, True, 97),
    ("quad1", 9409, 9409, False, False, 193),
    ("quad2", 9409, 9409, False, False, 193),
    ("quad3", 9409, 97, False, False, 193),
    ("cube1", 9409, 289, False, False, 193),
    ("cube2", 9409, 191, False, False, 113),
    ("mul", 9409, 9409, False, False, 193),
    ("mul_nonzero", 9216, 9216, True, True, 96),
    ("div_nonzero", 9216, 192, True, True, 96),
    ("x^2+y", 9409, None, True, False, 97),
    ("x^3+y", 9409, None, True, False, 97),
    ("product", 14400, 840, True, True, 120),
    ("conjugation", 14400, 360, True, False, 120),
    ("aba", 14400, 600, True, False, 120),
]


@pytest.mark.parametrize(("name", "equations", "mirrors", "rows", "columns", "majority"), FACTS)
def test_structure_of_the_tables_of_the_paper(name, equations, mirrors, rows, columns, majority):
    permutations = name in ("product", "conjugation", "aba")
    table = PermutationOperation(name).answers if permutations else residues(name)
    defined = table >= 0
    assert defined.sum() == equations
    if mirrors is not None:
        assert (defined & (table == table.T)).sum() == mirrors
    assert _latin(table) == rows
    assert _latin(table.T) == columns
    assert np.bincount(table[defined]).max() == majority


def _latin(table: np.ndarray) -> bool:
    answers = [row[row >= 0] for row in table]
    return all(len(set(row.tolist())) == len(row) for row in answers)


@pytest.mark.parametrize(("times", "plus"), [("mul_nonzero", "add"), ("div_nonzero", "sub")])
def test_nonzero_residues_are_exponents_of_a_primitive_root(times, plus):
    power = np.array([pow(5, exponent, 97) for exponent in range(96)])
    assert sorted(power) == list(range(1, 97))
    np.testing.assert_array_equal(residues(times)[np.ix_(power, power)], power[residues(plus, 96)])


def test_division_undoes_multiplication():
    times, by = residues("mul"), residues("div")
    x, y = np.indices((97, 96)) + [[[0]], [[1]]]
    np.testing.assert_array_equal(by[times[x, y], y], x)


def test_third_quadric_is_the_second_one_shifted():
    x, y = np.indices((97, 97))
    np.testing.assert_array_equal(
        residues("quad3"), (residues("quad2")[(x - 64) % 97, (y - 65) % 97] + 32) % 97
    )


def test_left_factor_comes_first():
    # In S_3, by lexicographic order: 1 swaps the points 1 and 2, 2 swaps the points 0 and 1.
    # First 1, then 2: 0 -> 0 -> 1, 1 -> 2 -> 2, 2 -> 1 -> 0, which is (1, 2, 0), number 3.
    product = PermutationOperation("x.y", degree=3).answers
    assert product[1, 2] == 3
    assert product[2, 1] == 4


def test_conjugation_follows_from_products():
    product = PermutationOperation("x.y", degree=4).answers
    conjugation = PermutationOperation("x.y.x^-1", degree=4).answers
    x = np.arange(24)[:, None]
    # (x y x^-1) x = x y
    np.testing.assert_array_equal(product[conjugation, x], product)


def test_tables_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        residues("add")[0, 0] = 3


@pytest.mark.parametrize("modulus", [2, 8, 16])
def test_mixed_division_needs_only_odd_inverses(modulus):
    table = residues("mix", modulus)
    for x, y in itertools.product(range(modulus), repeat=2):
        assert table[x, y] * (y if y % 2 else 1) % modulus == (x if y % 2 else (x - y) % modulus)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BinaryOperation("x/z"), r"^unknown operation 'x/z': did you mean 'x/y'\? .*list operations"),
        (lambda: BinaryOperation("quad4"), r"did you mean 'quad[123]'\?"),
        (
            lambda: BinaryOperation("frobnicate"),
            r"^unknown operation 'frobnicate': `afterfit list operations` shows",
        ),
        (lambda: BinaryOperation("__import__('os')"), "unknown operation"),
        (lambda: PermutationOperation("conj"), "did you mean 'conjugation'"),
        (lambda: BinaryOperation("x.y"), "'x.y' acts on permutations, use `PermutationOperation`"),
        (lambda: PermutationOperation("add"), "'add' acts on residues, use `BinaryOperation`"),
        (
            lambda: BinaryOperation("x/y", modulus=12),
            "divides by y = 2, 3, 4, 6, 8, 9, 10, without inverse modulo 12: take a prime `modulus`, .* 13",
        ),
        (
            lambda: BinaryOperation("x/y if y odd else x-y", modulus=15),
            "y = 3, 5, 9, without inverse modulo 15",
        ),
        (lambda: BinaryOperation("x/y nonzero", modulus=100), "and 47 more, without inverse modulo 100"),
        (lambda: BinaryOperation(modulus=1), "`modulus` must be a whole number of at least 2, got 1"),
        (lambda: PermutationOperation(degree=7), "`degree` must be from 2 to 6, got 7"),
        (lambda: PermutationOperation(degree=1), "`degree` must be a whole number of at least 2, got 1"),
    ],
)
def test_bad_names_and_sizes_say_what_to_do(make, message):
    with pytest.raises(ValueError, match=message):
        make()
