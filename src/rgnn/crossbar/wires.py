"""Resistance of the wires: the exact currents of an array as one effective matrix.

The network: word line r is driven at its left end through one wire segment, with one more segment
between neighbouring columns; bit line c leads through one segment between neighbouring rows, and
through a last one below the bottom row, to a virtual ground. A cell joins word line r to bit line
c. All of it is linear, so the bit-line currents are `A @ voltages`; the frozen cells of a
reservoir never change, so A is found once and every later read is one product.

Kirchhoff's law, row by row (n columns, wire conductances g_w and g_b, cells D_k = diag(G[k])):

    word line k:   (T + D_k) a_k = D_k b_k + g_w V_k e_0
    bit lines k:   (n_k g_b + D_k) b_k = D_k a_k + g_b (b_{k-1} + b_{k+1})

with T the word line's own tridiagonal matrix. Eliminating a_k leaves a block-tridiagonal system
in the bit-line voltages b_k, solved by a Schur recursion from the top row to the bottom:

    M_k = n_k g_b + D_k − D_k (T + D_k)⁻¹ D_k        c_k = g_w D_k (T + D_k)⁻¹ e_0
    S_k = M_k − g_b² S_{k−1}⁻¹                        R_k = [g_b S_{k−1}⁻¹ R_{k−1}, c_k]

and A = g_exit S_{m−1}⁻¹ R_{m−1}. Cost O(m n³); the network is reciprocal, so n is the shorter side.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import get_blas_funcs, get_lapack_funcs

from rgnn.core.errors import InputError

(_symm,) = get_blas_funcs(("symm",), dtype=np.float64)
_ptsv, _potrf, _potri = get_lapack_funcs(("ptsv", "potrf", "potri"), dtype=np.float64)


def effective_matrix(
    G: Float[np.ndarray, "..."],
    r_word: float = 1.0,
    r_bit: float = 1.0,
    *,
    rows_below: int = 0,
) -> Float[np.ndarray, "n_column n_row"]:
    """Return A with `I_out = A @ V` [S] for cells `G` (n_row × n_column) [S] and wires.

    `V[r]` drives word line r, `I_out[c]` leaves bit line c. `r_word` and `r_bit` [Ω] are one
    segment of wire; 0 is an ideal wire. A cell of 0 is open. `rows_below` counts idle rows that
    the bit lines still pass on their way out. Exact up to rounding, in double precision.
    """
    cells = np.asarray(G, dtype=np.float64)
    _check(cells, r_word, r_bit)
    n_row, n_column = cells.shape
    r_exit = r_bit * (1 + rows_below)
    if n_column <= n_row:
        return _Net(r_word, r_bit, entry=r_word, exit=r_exit).solve(cells)
    # Seen from its grounded ends the same network is one with word and bit lines swapped.
    swapped = _Net(r_bit, r_word, entry=r_exit, exit=r_word)
    return np.ascontiguousarray(swapped.solve(cells.T[::-1, ::-1])[::-1, ::-1].T)


@dataclass(frozen=True)
class _Net:
    """Resistances [Ω] of a word-line and a bit-line segment, and of the way in and out."""

    r_word: float
    r_bit: float
    entry: float
    exit: float

    def solve(self, cells: Float[np.ndarray, "m n"]) -> Float[np.ndarray, "n m"]:
        """Return the effective matrix by recursion from the top row to the bottom."""
        if self.r_bit == 0:
            return np.stack([self._word_line(row)[1] for row in cells], axis=1)
        m, n = cells.shape
        below = np.append(np.full(m - 1, 1 / self.r_bit), 1 / self.exit)
        reached = np.zeros((n, m), order="F")
        inverse = np.zeros((n, n), order="F")
        above = 0.0
        for k, row in enumerate(cells):
            folded, drive = self._word_line(row)
            if k:
                reached[:, :k] = _symm(above, inverse, reached[:, :k], lower=1)
            reached[:, k] = drive
            folded[np.diag_indices(n)] += above + below[k]
            inverse = _inverse(folded - above**2 * inverse)
            above = below[k]
        return _symm(above, inverse, reached, lower=1)

    def _word_line(
        self, row: Float[np.ndarray, " n"]
    ) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, " n"]]:
        """Return D − D (T + D)⁻¹ D and g_w D (T + D)⁻¹ e_0 of one word line."""
        n = len(row)
        if self.r_word == 0:
            # An ideal word line still has its way in, which all its cells load.
            return self._ideal_word_line(row)
        segment, entry = 1 / self.r_word, 1 / self.entry
        diagonal = row + np.full(n, 2 * segment)
        diagonal[-1] -= segment
        diagonal[0] += entry - segment
        sources = np.zeros((n, n + 1), order="F")
        sources[np.diag_indices(n)] = row
        sources[0, n] = entry
        if n == 1:
            voltage = sources / diagonal
        else:
            off = np.full(n - 1, -segment)
            _, _, voltage, info = _ptsv(diagonal, off, sources, overwrite_b=1)
            assert info == 0, "a word line with a source is positive definite"
        folded = -row[:, None] * voltage[:, :n]
        folded[np.diag_indices(n)] += row
        return np.asfortranarray(folded), row * voltage[:, n]

    def _ideal_word_line(
        self, row: Float[np.ndarray, " n"]
    ) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, " n"]]:
        loaded = 1 / (1 + self.entry * row.sum())
        folded = np.diag(row) - loaded * self.entry * np.outer(row, row)
        return np.asfortranarray(folded), loaded * row


def _inverse(matrix: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """Return the inverse of a positive definite matrix; only lower triangles are used."""
    factor, info = _potrf(matrix, lower=1, overwrite_a=1)
    assert info == 0, "every bit line leads to ground, so the network is positive definite"
    return _potri(factor, lower=1, overwrite_c=1)[0]


def _check(cells: Float[np.ndarray, "..."], r_word: float, r_bit: float) -> None:
    if cells.ndim != 2 or cells.size == 0:
        raise InputError(f"cells have shape {cells.shape}; expected (rows, columns), not empty")
    if not np.isfinite(cells).all() or cells.min() < 0:
        raise InputError("cells must be finite conductances ≥ 0 [S]; an open cell is 0")
    for name, value in (("r_word", r_word), ("r_bit", r_bit)):
        if not (np.isfinite(value) and value >= 0):
            raise InputError(f"{name} must be a resistance ≥ 0 Ω, got {value}; 0 is an ideal wire")
