"""Tables of weights as points of a plane: the pictures of embeddings.

Axes of this module
    row       symbols or answers, one row of the table each
    column    their coordinates in the network
"""

import typing

import numpy as np
from jaxtyping import Float


_METHODS = ("circle", "t-SNE", "components")


class Projection(typing.NamedTuple):
    """Rows of a table in a plane.

    **Fields:**

    - `points`: a place for each row.
    - `frequency`: that of the circle, from 1 to half the number of rows; 0 for other methods.
    """

    points: Float[np.ndarray, "row 2"]
    frequency: int


def projection(rows: Float[np.ndarray, "row column"], method: str) -> Projection:
    """The rows of a table of weights in a plane. It is a picture and no test: random rows have one too.

    **Arguments:**

    - `rows`: at least three, finite, one for each residue, answer or class.
    - `method`: "circle": the plane of the strongest frequency of the rows as a function of the residue
      (Power et al. 2022, Figure 3; Nanda et al. 2023, section 4); "t-SNE" (Power et al., Figure 3; settings
      are our choice, the paper gives none); "components": the plane of the two largest singular values.

    Raises `ValueError` for fewer rows, other shapes, values that are not finite, and an unknown method.
    """
    if rows.ndim != 2 or len(rows) < 3 or not np.isfinite(rows).all():
        raise ValueError(f"`rows` must be a finite table of at least 3 rows, got the shape {rows.shape}.")
    wide = rows.astype(np.float64)
    centred = wide - wide.mean(axis=0)
    if method == "circle":
        waves = np.fft.fft(centred, axis=0)[: len(rows) // 2 + 1]
        frequency = 1 + int(np.argmax(np.sum(np.abs(waves[1:]) ** 2, axis=1)))
        wave = waves[frequency]
        return Projection(centred @ _basis(np.stack([wave.real, wave.imag], axis=1)), frequency)
    if method == "t-SNE":
        import sklearn.manifold

        perplexity = min(30, (len(rows) - 1) / 3)
        found = sklearn.manifold.TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(
            _at_least_two(wide)
        )
        return Projection(found.astype(np.float64), 0)
    if method == "components":
        _, _, directions = np.linalg.svd(_at_least_two(centred), full_matrices=False)
        return Projection(_at_least_two(centred) @ directions[:2].T, 0)
    raise ValueError(f"`method` must be one of {', '.join(_METHODS)}, got {method!r}.")


def _basis(wave: Float[np.ndarray, "column 2"]) -> Float[np.ndarray, "column 2"]:
    """Two orthonormal directions that span a wave's plane; of a single column, that one and nothing."""
    return _at_least_two(np.linalg.qr(wave)[0])


def _at_least_two(table: Float[np.ndarray, "row column"]) -> Float[np.ndarray, "row more"]:
    return np.pad(table, ((0, 0), (0, max(0, 2 - table.shape[1]))))
