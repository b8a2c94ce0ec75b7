"""The overlap: strictly two-centre, hence learnt exactly as functions of the distance.

In the frame of a bond ⟨a m|b m′⟩ = δ_mm′ s_ab,|m|(r): one smooth function for every pair of shells
and |m|. Splines through the overlaps in the training frames replace a separate DFT run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from rgnn.core.errors import InputError
from rgnn.io.hamiltonian_frames import HamiltonianFrame, Shells
from rgnn.tasks.hamiltonian import irreps
from rgnn.tasks.hamiltonian.bonds import ElementPair, bonds_of_frame
from rgnn.tasks.hamiltonian.distance import splines, third_differences

SPACING = 0.06
"""Distance of the knots [Å]."""

DEGREE = 5
_SMOOTH = 1e-13
_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Curves:
    """s_ab,m(r) between two elements as spline coefficients."""

    low: float
    cutoff: float
    weights: Float[np.ndarray, "n_spline n_curve"]

    def __call__(self, distance: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n n_curve"]:
        """Return all curves at the distances [Å]."""
        return _basis(distance, self.low, self.cutoff) @ self.weights


def _basis(distance: np.ndarray, low: float, cutoff: float) -> np.ndarray:
    intervals = max(int(np.ceil((cutoff - low) / SPACING)), 8)
    return splines(distance, low, cutoff, intervals, DEGREE)


def _entries(left: Sequence[int], right: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return (row, column, curve) of the elements of a block that need not vanish."""
    out, curve = [], 0
    for a, la in enumerate(left):
        for b, lb in enumerate(right):
            row, column = irreps.starts(left)[a] + la, irreps.starts(right)[b] + lb
            for m in range(min(la, lb) + 1):
                out += [(row + s, column + s, curve) for s in sorted({m, -m})]
                curve += 1
    return out


def compose(
    curves: Float[np.ndarray, "n n_curve"], left: Sequence[int], right: Sequence[int]
) -> Float[np.ndarray, "n rows columns"]:
    """Return overlap blocks in the frame of their bond."""
    out = np.zeros((len(curves), irreps.starts(left)[-1], irreps.starts(right)[-1]))
    for row, column, curve in _entries(left, right):
        out[:, row, column] = curves[:, curve]
    return out


def fit_curves(
    frames: Sequence[HamiltonianFrame], shells: Shells, reach: Mapping[ElementPair, float]
) -> dict[ElementPair, Curves]:
    """Return the curves of every element pair; raises InputError where S is not two-centre."""
    found: dict[ElementPair, list[tuple[np.ndarray, np.ndarray]]] = {}
    for frame in frames:
        for pair, bonds in bonds_of_frame(frame).items():
            left, right = shells[pair[0]], shells[pair[1]]
            sizes = irreps.starts(left)[-1], irreps.starts(right)[-1]
            blocks = frame.overlap[bonds.block][:, : sizes[0], : sizes[1]]
            turned = irreps.in_frames(blocks, bonds.frames, left, right)
            found.setdefault(pair, []).append((bonds.distance, _curves(turned, frame, left, right)))
    return {pair: _fit(data, reach[pair]) for pair, data in found.items()}


def _curves(
    blocks: np.ndarray, frame: HamiltonianFrame, left: Sequence[int], right: Sequence[int]
) -> Float[np.ndarray, "n n_curve"]:
    entries = _entries(left, right)
    out = np.zeros((len(blocks), 1 + max(curve for *_, curve in entries)))
    count = np.bincount([curve for *_, curve in entries])
    for row, column, curve in entries:
        out[:, curve] += blocks[:, row, column] / count[curve]
    error = np.abs(blocks - compose(out, left, right)).max(initial=0.0)
    if error > _TOLERANCE:
        raise InputError(
            f"{frame.source}: the overlap is not two-centre (off by {error:.2g} in the frame of a "
            f"bond): the orbital order is not '{frame.order}', or periodic images were summed "
            "(Γ-only SIESTA files: write one with k points)"
        )
    return out


def _fit(data: list[tuple[np.ndarray, np.ndarray]], cutoff: float) -> Curves:
    distance = np.concatenate([d for d, _ in data])
    values = np.concatenate([v for _, v in data])
    low = float(distance.min()) - 0.2
    basis = _basis(distance, low, cutoff)
    smooth = np.sqrt(_SMOOTH) * np.linalg.norm(basis) * third_differences(basis.shape[1])
    rows = np.concatenate([basis, smooth])  # not as normal equations: they square the condition
    wanted = np.concatenate([values, np.zeros((len(smooth), values.shape[1]))])
    return Curves(low, cutoff, np.linalg.lstsq(rows, wanted, rcond=None)[0])


def onsite_overlaps(
    frames: Sequence[HamiltonianFrame], shells: Shells
) -> dict[int, Float[np.ndarray, "_ _"]]:
    """Return the overlap of each element's orbitals with one another, which never changes."""
    out = {}
    for z, listed in shells.items():
        size = irreps.starts(listed)[-1]
        blocks = [
            frame.overlap[frame.onsite & (frame.structure.numbers[frame.first] == z)]
            for frame in frames
        ]
        mean = np.concatenate(blocks)[:, :size, :size].mean(axis=0)
        out[z] = (mean + mean.T) / 2
    return out
