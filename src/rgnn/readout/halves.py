"""How well two halves of the data predict each other, and how that moves with the features.

A ridge regression on half a judged on half b, and the other way round, has the error

    L = ½ Σ_h |y_h − V_h w_h'|²,      w_h = A_h⁻¹ X_hᵀ y_h,      A_h = X_hᵀ X_h + α.

The features X depend on parameters θ of the network. With the adjoint λ_h = A_h⁻¹ ∂L/∂w_h the
solved equations for w drop out of the derivative (variable projection, doi
10.1088/0266-5611/19/2/201):

    dL/dθ = Σ_h r_h' · dV_h' w_h − Σ_h [ (X_h w_h − y_h) · dX_h λ_h + (X_h λ_h) · dX_h w_h ],

with r the misfit of the judged rows. So the exact derivative of the error after solving again is
that of four sets of predictions with fixed weights, each against a known cotangent: nothing of the
size of the normal equations is ever differentiated.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import cho_solve, cholesky, get_blas_funcs

(_dsyrk,) = get_blas_funcs(("syrk",), dtype=np.float64)

_CHUNK = 2048
"""Rows brought to double precision at a time for a matrix product."""

_SLICE = 128
"""The same for a product with a vector, which reads every row once: few enough to stay in cache."""


@dataclass(frozen=True, eq=False)
class Half:
    """Rows of one half of the data; the first `judged` of them count when it is predicted."""

    rows: Float[np.ndarray, "n_row n"]
    targets: Float[np.ndarray, " n_row"]
    judged: int

    @property
    def gram(self) -> Float[np.ndarray, "n n"]:
        """Return XᵀX in double precision, lower triangle."""
        return self._sums[0]

    @property
    def moment(self) -> Float[np.ndarray, " n"]:
        """Return Xᵀy in double precision."""
        return self._sums[1]

    @cached_property
    def _sums(self) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, " n"]]:
        gram = np.zeros((self.rows.shape[1],) * 2, order="F")
        moment = np.zeros(self.rows.shape[1])
        for part, rows in _doubled(self.rows, _CHUNK):
            gram = _dsyrk(1.0, rows.T, beta=1.0, c=gram, lower=1, overwrite_c=1)
            moment += self.targets[part] @ rows
        return gram, moment


def _doubled(
    rows: Float[np.ndarray, "n_row n"], most: int = _SLICE
) -> Iterator[tuple[slice, Float[np.ndarray, "_ n"]]]:
    """Yield a few rows at a time in double precision, in memory that is used again."""
    room = np.empty((min(most, len(rows)), rows.shape[1]))
    for start in range(0, len(rows), most):
        part = slice(start, min(start + most, len(rows)))
        room[: part.stop - start] = rows[part]
        yield part, room[: part.stop - start]


def _times(
    rows: Float[np.ndarray, "n_row n"], vectors: Float[np.ndarray, "n *k"]
) -> Float[np.ndarray, "n_row *k"]:
    """Return rows @ vectors in double precision."""
    found = np.empty((len(rows), *vectors.shape[1:]))
    for part, own in _doubled(rows):
        found[part] = own @ vectors
    return found


class Crossed(NamedTuple):
    """What both halves predict of each other."""

    error: float
    """Root mean square misfit of the judged rows."""
    weights: Float[np.ndarray, "2 n"]
    adjoint: Float[np.ndarray, "2 n"]
    """λ of each half."""


class Cotangents(NamedTuple):
    """∂L/∂(prediction) of every row of one half, by the weights it is predicted with."""

    by_weights: Float[np.ndarray, "2 n_row"]
    by_adjoint: Float[np.ndarray, "2 n_row"]


def crossed(halves: tuple[Half, Half], strength: float) -> Crossed:
    """Return how the halves predict each other with a prior precision of `strength`."""
    weights, adjoint, square = [], [], 0.0
    for own, other in (halves, halves[::-1]):
        precision = own.gram.copy(order="F")
        precision[np.diag_indices_from(precision)] += strength
        factor = (cholesky(precision, lower=True, overwrite_a=True, check_finite=False), True)
        w = cho_solve(factor, own.moment, check_finite=False)
        seen = other.rows[: other.judged]
        misfit = _times(seen, w) - other.targets[: other.judged]
        square += float(misfit @ misfit)
        weights.append(w)
        pulled = sum(misfit[part] @ rows for part, rows in _doubled(seen))
        adjoint.append(cho_solve(factor, pulled, check_finite=False))
    count = halves[0].judged + halves[1].judged
    return Crossed(float(np.sqrt(square / count)), np.stack(weights), np.stack(adjoint))


def cotangents(halves: tuple[Half, Half], found: Crossed) -> tuple[Cotangents, Cotangents]:
    """Return the cotangents of dL/dθ for the rows of both halves."""
    result = []
    for number, half in enumerate(halves):
        by_weights = np.zeros((2, len(half.rows)))
        by_adjoint = np.zeros((2, len(half.rows)))
        mine = np.stack([found.adjoint[number], found.weights[number], found.weights[1 - number]])
        by_own_adjoint, by_own_weights, by_other = _times(half.rows, mine.T).T
        judged = by_other[: half.judged]
        by_weights[1 - number, : half.judged] = judged - half.targets[: half.judged]
        by_weights[number] = -by_own_adjoint
        by_adjoint[number] = half.targets - by_own_weights
        result.append(Cotangents(by_weights, by_adjoint))
    return result[0], result[1]
