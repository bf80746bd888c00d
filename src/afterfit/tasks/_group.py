"""Permutation groups: their elements in a fixed order, and products of elements by number.

Axes of this module
    element   the permutations of S_n in lexicographic order of their images; element 0 is the identity
    point     the points 0 .. n-1 that are permuted
"""

import functools
import itertools

import numpy as np
from jaxtyping import Int


DEGREES = range(2, 7)
"""Degrees n for which S_n has a table: S_6 has 720 elements and 518 400 equations."""


@functools.cache
def permutations(degree: int) -> Int[np.ndarray, "element point"]:
    """The elements of S_n as tuples of images, in lexicographic order."""
    images = np.array(list(itertools.permutations(range(degree))), dtype=np.int32)
    images.flags.writeable = False
    return images


def compose(
    first: Int[np.ndarray, "*batch point"], then: Int[np.ndarray, "*batch point"]
) -> Int[np.ndarray, "*batch point"]:
    """The images of `first` followed by `then`: a point i goes to `then[first[i]]`."""
    return np.take_along_axis(then, first, axis=-1)


def rank(images: Int[np.ndarray, "*batch point"]) -> Int[np.ndarray, "*batch"]:
    """The numbers (places in the lexicographic order) of permutations given by their images."""
    degree = images.shape[-1]
    weights = degree ** np.arange(degree)[::-1]
    place = np.empty(degree**degree, dtype=np.int32)
    elements = permutations(degree)
    place[elements @ weights] = np.arange(len(elements), dtype=np.int32)
    return place[images @ weights]
