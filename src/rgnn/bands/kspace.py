"""H(k) = Σ_R e^{2πi k·R} H(R) and its eigenvalues, dense or sparse around an energy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sparse
from jaxtyping import Bool, Complex, Float
from scipy.sparse.linalg import LinearOperator, eigsh, splu

from rgnn.bands.ghosts import FLOOR, OCCUPATION, GhostFilter
from rgnn.core.errors import InputError
from rgnn.io.hamiltonian_frames import HamiltonianFrame

Progress = Callable[[str, int, int], None]


def bloch(
    frame: HamiltonianFrame, k: Float[np.ndarray, "3"], *, spin: int = 0
) -> tuple[Complex[np.ndarray, "n n"], Complex[np.ndarray, "n n"]]:
    """Return dense H(k) [eV] and S(k) at fractional `k`."""
    h, s = sparse_bloch(frame, k, spin=spin)
    return h.toarray(), s.toarray()


def sparse_bloch(
    frame: HamiltonianFrame, k: Float[np.ndarray, "3"], *, spin: int = 0
) -> tuple[sparse.csc_matrix, sparse.csc_matrix]:
    """Return sparse H(k) [eV] and S(k) at fractional `k`."""
    inside = frame.inside
    starts = np.concatenate([[0], np.cumsum(frame.sizes)])
    block, row, column = inside.nonzero()
    phase = np.exp(2j * np.pi * (frame.image @ k))[block]
    where = starts[frame.first[block]] + row, starts[frame.second[block]] + column
    shape = int(starts[-1]), int(starts[-1])
    h = sparse.csc_matrix((frame.hamiltonian[spin][inside] * phase, where), shape=shape)
    return h, sparse.csc_matrix((frame.overlap[inside] * phase, where), shape=shape)


def energies(
    frame: HamiltonianFrame,
    k: Float[np.ndarray, "n_k 3"],
    *,
    spin: int = 0,
    ghosts: GhostFilter | None = None,
    progress: Progress | None = None,
) -> Float[np.ndarray, "n_k n_band"]:
    """Return all eigenvalues [eV] at every k point, ascending.

    With `ghosts` the directions that filter takes out stand at +∞, at the end of their row.
    """
    out = []
    for n, point in enumerate(k):
        if progress:
            progress("k points", n, len(k))
        h, s = bloch(frame, point, spin=spin)
        try:
            out.append(scipy.linalg.eigvalsh(h, s) if ghosts is None else ghosts.levels(h, s))
        except np.linalg.LinAlgError:
            raise _singular(frame, s) from None
    if progress:
        progress("k points", len(k), len(k))
    return np.array(out)


def all_spins(
    frame: HamiltonianFrame,
    k: Float[np.ndarray, "n_k 3"],
    *,
    ghosts: GhostFilter | None = None,
    progress: Progress | None = None,
) -> Float[np.ndarray, "n_spin n_k n_band"]:
    """Return `energies` of every spin."""
    spins = range(frame.n_spin)
    return np.stack([energies(frame, k, spin=s, ghosts=ghosts, progress=progress) for s in spins])


def _singular(frame: HamiltonianFrame, overlap: np.ndarray) -> InputError:
    smallest = float(np.linalg.eigvalsh(overlap)[0])
    return InputError(
        f"{frame.source}: the overlap is not positive definite (smallest eigenvalue "
        f"{smallest:.2g}); atoms are closer than in any training frame, or the basis is "
        "linearly dependent"
    )


@dataclass(frozen=True, eq=False)
class NearLevels:
    """Some levels [eV] in ascending order."""

    energy: Float[np.ndarray, " count"]
    size: Float[np.ndarray, " count"]
    """Σ|c|² of every normalised level: 1 to 3 for true ones, tens and more for ghosts."""

    @property
    def ghosts(self) -> Bool[np.ndarray, " count"]:
        """Return which levels live, to a tenth or more, where S is below 0.01."""
        return self.size > OCCUPATION / FLOOR


def energies_near(
    frame: HamiltonianFrame,
    k: Float[np.ndarray, "3"],
    centre: float,
    count: int,
    *,
    spin: int = 0,
) -> NearLevels:
    """Return the `count` levels nearest to `centre` [eV], for structures of 1000s of atoms.

    Shift-invert Lanczos: one sparse factorisation of H(k) − centre S(k).
    """
    h, s = sparse_bloch(frame, k, spin=spin)
    if not np.any(k):
        h, s = h.real.tocsc(), s.real.tocsc()
    size = int(frame.sizes.sum())
    factor = splu((h - centre * s).tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.1)
    inverse: Any = LinearOperator((size, size), matvec=factor.solve, dtype=h.dtype)  # pyright: ignore[reportCallIssue]
    start = np.random.default_rng(0).normal(size=size).astype(h.dtype)
    found, vectors = eigsh(h, count, s, sigma=centre, OPinv=inverse, v0=start)
    order = np.argsort(found)
    norm = np.sum(vectors.conj() * (s @ vectors), axis=0).real
    return NearLevels(found[order], (np.sum(np.abs(vectors) ** 2, axis=0) / norm)[order])


def mesh(counts: Sequence[int]) -> Float[np.ndarray, "n_k 3"]:
    """Return fractional k points of a Γ-centred mesh."""
    axes = [np.arange(n) / n for n in counts]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def mesh_for(frame: HamiltonianFrame, density: float = 75.0) -> Float[np.ndarray, "n_k 3"]:
    """Return a mesh with about `density` Å of cell length per point along periodic directions."""
    lengths = np.linalg.norm(frame.structure.cell, axis=1)
    periodic = frame.structure.pbc & (lengths > 0)
    counts = [int(np.ceil(density / a)) if p else 1 for a, p in zip(lengths, periodic, strict=True)]
    return mesh(counts)
