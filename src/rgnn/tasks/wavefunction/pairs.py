"""Natural orbitals of one electron pair: where its two electrons go to avoid one another.

The pair moves in the mean field of all others and may use every orbital that is not theirs. Its
wavefunction Σ_pq C_pq φ_p(1) φ_q(2) has a symmetric C, and the eigenvectors of C are the orbitals
in which it reads Σ_k c_k |k k̄| (Löwdin and Shull, doi 10.1103/PhysRev.101.1730).
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float


class Pair(NamedTuple):
    """Orbitals of a pair in a Gaussian basis and the weights of its determinants, first one 1."""

    coefficients: Float[np.ndarray, "n_basis n_orbital"]
    weights: Float[np.ndarray, " n_orbital"]


def natural_orbitals(field: Any, pair: int, count: int) -> Pair:
    """Return up to `count` orbitals of the electrons in the doubly occupied orbital `pair`."""
    if count == 1:
        return Pair(field.mo_coeff[:, [pair]], np.ones(1))
    one, two, basis = _hamiltonian(field, pair)
    amplitudes = _ground_state(one, two)
    weights, vectors = np.linalg.eigh(0.5 * (amplitudes + amplitudes.T))
    order = np.argsort(-np.abs(weights))[:count]
    return Pair(basis @ vectors[:, order], weights[order] / weights[order[0]])


def _hamiltonian(field: Any, pair: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return one- and two-electron integrals among `pair` and the empty orbitals, and these."""
    from pyscf import ao2mo

    free = np.flatnonzero((field.mo_occ == 0) | (np.arange(len(field.mo_occ)) == pair))
    basis = np.asarray(field.mo_coeff)[:, free]
    others = np.where(np.arange(len(field.mo_occ)) == pair, 0.0, field.mo_occ)
    density = (field.mo_coeff * others) @ field.mo_coeff.T
    coulomb, exchange = field.get_jk(field.mol, density)
    one = basis.T @ (field.get_hcore() + coulomb - 0.5 * exchange) @ basis
    return one, ao2mo.restore(1, ao2mo.kernel(field.mol, basis), len(free)), basis


def _ground_state(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return the lowest symmetric C of Σ_pq C_pq φ_p(1) φ_q(2)."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    n = len(one)
    repulsion = two.transpose(0, 2, 1, 3).reshape(n * n, n * n)  # (pq, rs), electrons 1 and 2

    def apply(flat: np.ndarray) -> np.ndarray:
        c = flat.reshape(n, n)
        c = 0.5 * (c + c.T)
        return (one @ c + c @ one).ravel() + repulsion @ c.ravel()

    start = np.zeros((n, n))
    start[0, 0] = 1.0
    operator = LinearOperator((n * n, n * n), matvec=apply, dtype=float)  # pyright: ignore
    _, vectors = eigsh(operator, k=1, which="SA", v0=start.ravel())
    return vectors[:, 0].reshape(n, n)
