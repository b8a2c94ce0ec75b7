"""How far a predicted Hamiltonian is from the DFT one, element by element."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from rgnn.core.errors import InputError
from rgnn.core.units import MEV_PER_EV
from rgnn.io.hamiltonian_frames import HamiltonianFrame, in_order_of


@dataclass(frozen=True, eq=False)
class Comparison:
    """Elements of H where the reference has blocks [eV], in one energy gauge."""

    reference: Float[np.ndarray, " n_element"]
    predicted: Float[np.ndarray, " n_element"]
    overlap: Float[np.ndarray, " n_element"]
    onsite: Bool[np.ndarray, " n_element"]
    gauge: float
    """μ [eV] of the reference relative to the model: μ S was added to the prediction."""
    outside: float
    """Largest predicted element [eV] where the reference has no block."""
    overlap_error: float

    @property
    def error(self) -> Float[np.ndarray, " n_element"]:
        """Return predicted − reference [eV]."""
        return self.predicted - self.reference

    @property
    def error_unaligned(self) -> Float[np.ndarray, " n_element"]:
        """Return the same in the energy zero the model learnt, μ S not added [eV]."""
        return self.error - self.gauge * self.overlap


def compare(
    reference: HamiltonianFrame,
    predicted: HamiltonianFrame,
    *,
    blocks: Bool[np.ndarray, " n_block"] | None = None,
) -> Comparison:
    """Return the elements of both, the prediction shifted by the μ S that fits best.

    A constant potential adds μ S to H and nothing else: μ is no property of the material, and
    codes choose it in their own way. `blocks` limits the comparison to some blocks.
    """
    predicted = in_order_of(predicted, reference.order)
    where = _matching(reference, predicted)
    there = where >= 0
    inside = reference.inside
    h = np.where(there[:, None, None], predicted.hamiltonian[:, where], 0.0)
    s = reference.overlap
    difference = reference.hamiltonian - h
    gauge = float(np.sum(difference * s) / (np.sum(s**2) * reference.n_spin))
    chosen = inside if blocks is None else inside & blocks[:, None, None]
    extra = np.ones(len(predicted.first), bool)
    extra[where[there]] = False
    found = np.where(there[:, None, None], predicted.overlap[where], 0.0)
    return Comparison(
        reference.hamiltonian[:, chosen].ravel(),
        (h + gauge * s)[:, chosen].ravel(),
        np.tile(s[chosen], reference.n_spin),
        np.tile(
            np.broadcast_to(reference.onsite[:, None, None], inside.shape)[chosen], reference.n_spin
        ),
        gauge,
        float(np.abs(predicted.hamiltonian[:, extra]).max(initial=0.0)),
        float(np.abs(found - s)[inside].max(initial=0.0)),
    )


def _matching(reference: HamiltonianFrame, predicted: HamiltonianFrame) -> np.ndarray:
    """Return where each block of the reference stands in the prediction; −1 where it is not."""
    if reference.n_spin != predicted.n_spin:
        raise InputError(
            f"{reference.source}: {reference.n_spin} spin(s), the model has {predicted.n_spin}"
        )

    def key(frame: HamiltonianFrame) -> list[tuple[int, ...]]:
        return [*map(tuple, np.column_stack([frame.first, frame.second, frame.image]).tolist())]

    stands = {k: n for n, k in enumerate(key(predicted))}
    return np.array([stands.get(k, -1) for k in key(reference)])


def hermiticity(frame: HamiltonianFrame) -> float:
    """Return the largest |H_ij(R) − H_ji(−R)ᵀ| [eV]."""
    back = np.swapaxes(frame.hamiltonian[:, frame.partners], -1, -2)
    return float(np.abs(frame.hamiltonian - back).max(initial=0.0))


def summarise(found: list[Comparison]) -> dict[str, float]:
    """Return the errors over all elements of all frames, under the names of `metrics.json`."""
    error = np.concatenate([c.error for c in found])
    onsite = np.concatenate([c.onsite for c in found])
    values = {
        "h_mae_meV": np.abs(error).mean(),
        "h_rmse_meV": np.sqrt(np.square(error).mean()),
        "onsite_mae_meV": np.abs(error[onsite]).mean() if onsite.any() else np.nan,
        "hopping_mae_meV": np.abs(error[~onsite]).mean() if (~onsite).any() else np.nan,
        "h_mae_unaligned_meV": np.abs(np.concatenate([c.error_unaligned for c in found])).mean(),
        "gauge_max_meV": max(abs(c.gauge) for c in found),
        "outside_max_meV": max(c.outside for c in found),
    }
    return {name: float(MEV_PER_EV * value) for name, value in values.items()} | {
        "overlap_max_error": max(c.overlap_error for c in found)
    }


def by_block(reference: HamiltonianFrame, found: Comparison) -> Float[np.ndarray, "3 n_block"]:
    """Return distance [Å], mean absolute element and mean absolute error [eV] of every block.

    `found` must compare all blocks of `reference`.
    """
    inside = reference.inside
    number = np.broadcast_to(np.arange(len(inside))[:, None, None], inside.shape)[inside]
    number = np.tile(number, reference.n_spin)
    count = np.bincount(number, minlength=len(inside))
    return np.stack(
        [
            np.linalg.norm(reference.vectors, axis=1),
            np.bincount(number, np.abs(found.reference)) / count,
            np.bincount(number, np.abs(found.error)) / count,
        ]
    )
