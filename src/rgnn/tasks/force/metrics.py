"""How far predictions are from labels, in the units people quote."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rgnn.core.structure import Frame
from rgnn.core.units import EV_PER_A3_IN_GPA, MEV_PER_EV


class Prediction(NamedTuple):
    """What the model says about one structure, with one standard deviation where known."""

    energy: float
    """[eV]"""
    forces: Float[np.ndarray, "n_atom 3"]
    """[eV/Å]"""
    stress: Float[np.ndarray, "3 3"] | None
    """[eV/Å³], ASE sign; None without a periodic cell."""
    energy_std: float
    forces_std: Float[np.ndarray, "n_atom 3"]


def score(frames: Sequence[Frame], predictions: Sequence[Prediction]) -> dict[str, int | float]:
    """Return the errors of `predictions` on labelled frames."""
    pairs = list(zip(frames, predictions, strict=True))
    energy = np.array(
        [(p.energy - f.labels.energy) / len(f) for f, p in pairs if f.labels.energy is not None]
    )
    labelled = [(f.labels.forces, p.forces) for f, p in pairs if f.labels.forces is not None]
    force = np.concatenate([(p - f).ravel() for f, p in labelled]) if labelled else np.zeros(0)
    size = sum(np.abs(f).sum() for f, _ in labelled)
    stress = [
        np.abs(p.stress - f.labels.stress).ravel()
        for f, p in pairs
        if f.labels.stress is not None and p.stress is not None
    ]
    return {
        "n_frames": len(pairs),
        "n_atoms": sum(len(f) for f in frames),
        "energy_mae_meV_per_atom": MEV_PER_EV * _mean_abs(energy),
        "energy_rmse_meV_per_atom": MEV_PER_EV * _rms(energy),
        "force_mae_meV_per_A": MEV_PER_EV * _mean_abs(force),
        "force_rmse_meV_per_A": MEV_PER_EV * _rms(force),
        "force_relative_error": float(np.abs(force).sum() / size) if size else float("nan"),
        "stress_mae_GPa": EV_PER_A3_IN_GPA
        * _mean_abs(np.concatenate(stress) if stress else np.zeros(0)),
        "net_force_max_eV_per_A": max(
            (float(np.linalg.norm(p.forces.sum(axis=0))) for _, p in pairs), default=0.0
        ),
    }


def _mean_abs(values: np.ndarray) -> float:
    return float(np.abs(values).mean()) if values.size else float("nan")


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean())) if values.size else float("nan")
