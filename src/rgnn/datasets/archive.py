"""Frames in one small `.npz` file that explains itself: arrays named with their units, no pickles.

Positions and forces are fixed-point integers of 1e-8 Å and 1e-8 eV/Å, which is what an extended XYZ
file keeps of them, in half the space of floating point.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int32

from rgnn.core.structure import Frame, Labels, Structure

STEP = 1e-8
"""Positions [Å] and forces [eV/Å] are kept to half of this; the largest value kept is 21.4."""


def save(path: Path, frames: Sequence[Frame], about: str) -> None:
    """Write fully labelled frames (energy, forces, stress) with a note on how they were made.

    Raises
    ------
    ValueError
        when a frame lacks a label, or holds a position or force too large for the format.
    """
    structures, labels = [frame.structure for frame in frames], [frame.labels for frame in frames]
    if any(label.forces is None or label.stress is None for label in labels):
        raise ValueError("every frame of an archive needs energy, forces and stress")
    content: dict[str, Any] = {
        "about": about,
        "n_atom": np.array([len(frame) for frame in frames], dtype=np.int32),
        "numbers": np.concatenate([s.numbers for s in structures]).astype(np.uint8),
        "positions_1e-8_A": _fixed_point(np.concatenate([s.positions for s in structures])),
        "forces_1e-8_eV_per_A": _fixed_point(np.concatenate([np.array(x.forces) for x in labels])),
        "cell_A": np.stack([s.cell for s in structures]),
        "pbc": np.stack([s.pbc for s in structures]),
        "energy_eV": np.array([label.energy for label in labels], dtype=float),
        "stress_eV_per_A3": np.stack([np.array(label.stress) for label in labels]),
        "info_json": json.dumps([dict(frame.info) for frame in frames]),
    }
    np.savez_compressed(path, **content)


def load(path: Path, name: str) -> list[Frame]:
    """Return the frames of an archive; sources read `name, melt 100, frame 3`."""
    with np.load(path, allow_pickle=False) as content:
        ends = np.cumsum(content["n_atom"])[:-1]
        numbers = np.split(content["numbers"].astype(int), ends)
        positions = np.split(content["positions_1e-8_A"] / (1 / STEP), ends)
        forces = np.split(content["forces_1e-8_eV_per_A"] / (1 / STEP), ends)
        cell, pbc = content["cell_A"], content["pbc"]
        energy, stress = content["energy_eV"], content["stress_eV_per_A3"]
        info = json.loads(str(content["info_json"]))
    return [
        Frame(
            Structure(positions[i], numbers[i], cell[i], pbc[i]),
            Labels(float(energy[i]), forces[i], stress[i]),
            source=f"{name}, melt {info[i]['melt']}, frame {i}",
            info=info[i],
        )
        for i in range(len(info))
    ]


def note(path: Path) -> str:
    """Return the note the archive was saved with."""
    with np.load(path, allow_pickle=False) as content:
        return str(content["about"])


def _fixed_point(values: Float[np.ndarray, "n 3"]) -> Int32[np.ndarray, "n 3"]:
    steps = np.round(values / STEP)
    if np.abs(steps).max() > np.iinfo(np.int32).max:
        raise ValueError(f"{np.abs(values).max():.3g} does not fit the archive's fixed point")
    return steps.astype(np.int32)
