"""Normal equations as running sums: they stream, stop, resume and distribute."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from scipy.linalg import get_blas_funcs

_dsymm, _dsyrk = get_blas_funcs(("symm", "syrk"), dtype=np.float64)

_ROWS_PER_UPDATE = 2048
"""Rows gathered before the matrix, which does not fit any cache, is touched."""


@dataclass
class Gram:
    """Σ xᵀx, Σ xᵀy, Σ y² and the weight of all rows of one kind of target, in float64.

    Rows are added with `add`; `flush` folds the waiting ones in. `matrix` holds the lower
    triangle only.
    """

    matrix: Float[np.ndarray, "n n"]
    moment: Float[np.ndarray, " n"]
    square: float = 0.0
    count: float = 0.0
    _rows: list[Float[np.ndarray, "k n"]] = field(default_factory=list, repr=False)
    _targets: list[Float[np.ndarray, " k"]] = field(default_factory=list, repr=False)

    @staticmethod
    def zeros(n: int) -> "Gram":
        """Return the sums of no rows."""
        return Gram(np.zeros((n, n)), np.zeros(n))

    def add(
        self,
        rows: Float[np.ndarray, "k n"],
        targets: Float[np.ndarray, " k"],
        weight: float = 1.0,
    ) -> None:
        """Add rows x and targets y, each counting as `weight` rows."""
        root = np.sqrt(weight)
        self._rows.append(rows if weight == 1 else root * rows)
        self._targets.append(root * targets)
        self.count += weight * len(targets)
        if sum(map(len, self._targets)) >= _ROWS_PER_UPDATE:
            self.flush()

    def flush(self) -> None:
        """Fold all waiting rows into the sums."""
        if not self._rows:
            return
        rows = np.concatenate(self._rows, dtype=np.float64)
        targets = np.concatenate(self._targets, dtype=np.float64)
        self._rows.clear()
        self._targets.clear()
        add_lower_product(self.matrix, rows)
        self.moment += rows.T @ targets
        self.square += float(targets @ targets)


def add_lower_product(matrix: Float[np.ndarray, "n n"], rows: Float[np.ndarray, "k n"]) -> None:
    """Add rowsᵀ rows to `matrix` in place, lower triangle only.

    BLAS counts columns first: to it the transpose is in order and the triangle is the upper one.
    """
    _dsyrk(1.0, rows.T, beta=1.0, c=matrix.T, lower=0, overwrite_c=1)


def multiply_lower(
    matrix: Float[np.ndarray, "n n"], vectors: Float[np.ndarray, "n k"]
) -> Float[np.ndarray, "n k"]:
    """Return the product with the symmetric matrix whose lower triangle is given."""
    return np.asarray(_dsymm(1.0, matrix.T, np.asfortranarray(vectors), lower=0))
