"""Predictions beside the labels they should match: the arrays behind metrics and figures."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from rgnn.core.errors import InputError
from rgnn.core.structure import Frame
from rgnn.tasks.force.metrics import Prediction


@dataclass(frozen=True, eq=False)
class Comparison:
    """Labels and predictions of all frames, atoms of all frames one after the other."""

    n_atoms: Int[np.ndarray, " n_frame"]
    energy: Float[np.ndarray, " n_frame"]
    """[eV]"""
    energy_predicted: Float[np.ndarray, " n_frame"]
    energy_std: Float[np.ndarray, " n_frame"]
    numbers: Int[np.ndarray, " n_atom"]
    forces: Float[np.ndarray, "n_atom 3"]
    """[eV/Å]"""
    forces_predicted: Float[np.ndarray, "n_atom 3"]
    forces_std: Float[np.ndarray, "n_atom 3"]

    def save(self, path: Path) -> None:
        """Write the arrays to `path` (.npz)."""
        with path.open("wb") as stream:
            np.savez_compressed(stream, **{f.name: getattr(self, f.name) for f in fields(self)})

    @staticmethod
    def load(path: Path) -> "Comparison":
        """Read what `save` wrote."""
        try:
            with np.load(path, allow_pickle=False) as archive:
                return Comparison(**{f.name: archive[f.name] for f in fields(Comparison)})
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path}: damaged ({error}); evaluate the model again") from error


def compare(frames: Sequence[Frame], predictions: Sequence[Prediction]) -> Comparison:
    """Return labels and predictions side by side; every frame must have energy and forces."""
    return Comparison(
        n_atoms=np.array([len(frame) for frame in frames]),
        energy=np.array([frame.labels.energy for frame in frames], dtype=float),
        energy_predicted=np.array([p.energy for p in predictions], dtype=float),
        energy_std=np.array([p.energy_std for p in predictions], dtype=float),
        numbers=np.concatenate([frame.structure.numbers for frame in frames]),
        forces=np.concatenate([np.asarray(frame.labels.forces, float) for frame in frames]),
        forces_predicted=np.concatenate([np.asarray(p.forces, float) for p in predictions]),
        forces_std=np.concatenate([np.asarray(p.forces_std, float) for p in predictions]),
    )
