"""A semi-empirical method under the network, which then learns only what that method misses.

The energy is E = E_baseline + E_network, and so are forces and stress (Δ-machine learning, doi
10.1021/acs.jctc.5b00099). GFN1-xTB (doi 10.1021/acs.jctc.7b00118) and GFN2-xTB (doi
10.1021/acs.jctc.8b01176), as computed by tblite, know bonds, angles, electrostatics and dispersion
of elements up to radon. What they miss is small and smooth, which is what a few hundred frames and
a noisy chip can tell. Every structure starts from the same guess, so that what comes back does not
depend on what was computed before.
"""

from collections.abc import Sequence
from dataclasses import replace
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms
from ase.calculators.calculator import CalculatorError
from jaxtyping import Float

from rgnn.core.errors import InputError, MissingExtra, reason
from rgnn.core.structure import Frame, Labels, Structure
from rgnn.tasks.force import training
from rgnn.tasks.force.config import BaselineConfig
from rgnn.tasks.force.metrics import Prediction
from rgnn.tasks.force.training import Checkpoint, Progress


class Point(NamedTuple):
    """What the baseline says of one structure."""

    energy: float
    """[eV]"""
    forces: Float[np.ndarray, "n_atom 3"]
    """[eV/Å]"""
    stress: Float[np.ndarray, "3 3"] | None
    """[eV/Å³], ASE sign; None without a fully periodic cell."""


def check_installed(config: BaselineConfig) -> None:
    """Raise `MissingExtra` now rather than later if the baseline's package is not installed."""
    if config.method != "none":
        _tblite()


def compute(structure: Structure, config: BaselineConfig) -> Point:
    """Return energy [eV], forces [eV/Å] and, of a fully periodic cell, stress [eV/Å³], unscaled.

    Raises
    ------
    InputError
        when the method does not know an element or finds no self-consistent charges.
    MissingExtra
        when tblite is not installed.
    """
    atoms = Atoms(structure.numbers, structure.positions, cell=structure.cell, pbc=structure.pbc)
    spin = {"multiplicity": config.unpaired + 1} if config.unpaired else {}
    atoms.calc = _tblite()(
        method=config.method,
        charge=config.charge,
        electronic_temperature=config.temperature,
        accuracy=config.accuracy,
        verbosity=0,
        **spin,
    )
    try:
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        stress = atoms.get_stress(voigt=False) if structure.pbc.all() else None
    except CalculatorError as error:
        raise InputError(
            f"{config.method} fails ({reason(error)}); check charge and unpaired electrons "
            "of the baseline, try the other method or a higher baseline.temperature, or leave the "
            "frame out"
        ) from error
    return Point(float(energy), np.asarray(forces), stress)


def added(network: Prediction, structure: Structure, config: BaselineConfig) -> Prediction:
    """Return the network's prediction with what the scaled baseline says added, if there is one."""
    if config.method == "none":
        return network
    own, scale, stress = compute(structure, config), config.scale, network.stress
    if stress is not None and own.stress is not None:
        stress = stress + scale * own.stress
    return network._replace(
        energy=network.energy + scale * own.energy,
        forces=network.forces + scale * own.forces,
        stress=stress,
    )


def compute_all(
    frames: Sequence[Frame],
    config: BaselineConfig,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> list[Point]:
    """Return what the baseline says of every frame; with a checkpoint it can be interrupted."""
    found = _load(frames, checkpoint)
    saved = monotonic()
    try:
        for frame in frames[len(found) :]:
            try:
                found.append(compute(frame.structure, config))
            except InputError as error:
                raise InputError(f"{frame.source}: {error}") from error
            if progress is not None:
                progress(config.method, len(found), len(frames))
            if monotonic() - saved > training.SAVE_EVERY:
                _save(found, checkpoint)
                saved = monotonic()
    finally:
        _save(found, checkpoint)
    return found


def best_scale(frames: Sequence[Frame], points: Sequence[Point]) -> float:
    """Return the factor on the baseline that leaves least of the forces of the frames."""
    pairs = [
        (own.forces.ravel(), frame.labels.forces.ravel())
        for own, frame in zip(points, frames, strict=True)
        if frame.labels.forces is not None
    ]
    size = sum(float(own @ own) for own, _ in pairs)
    return sum(float(own @ true) for own, true in pairs) / size if size else 1.0


def without(frames: Sequence[Frame], points: Sequence[Point], scale: float) -> list[Frame]:
    """Return the frames with what the scaled baseline misses as their labels."""
    return [
        replace(frame, labels=_difference(frame.labels, own, scale))
        for frame, own in zip(frames, points, strict=True)
    ]


def left_over(frames: Sequence[Frame], differences: Sequence[Frame]) -> dict[str, float]:
    """Return root mean squares of all forces and of what the baseline misses of them [eV/Å]."""
    return {
        "training_force_rms": _rms(frames),
        "baseline_force_rmse": _rms(differences),
    }


def _rms(frames: Sequence[Frame]) -> float:
    known = [f.labels.forces for f in frames if f.labels.forces is not None]
    return float(np.sqrt(np.mean(np.square(np.concatenate(known)))))


def _difference(labels: Labels, own: Point, scale: float) -> Labels:
    def minus(a: np.ndarray | None, b: np.ndarray | None) -> np.ndarray | None:
        return None if a is None or b is None else a - scale * b

    energy = None if labels.energy is None else labels.energy - scale * own.energy
    return Labels(energy, minus(labels.forces, own.forces), minus(labels.stress, own.stress))


def _save(found: Sequence[Point], checkpoint: Checkpoint | None) -> None:
    if checkpoint is None or checkpoint.path is None or not found:
        return
    unknown = np.full((3, 3), np.nan)
    arrays = {
        "energy": np.array([own.energy for own in found]),
        "forces": np.concatenate([own.forces for own in found]),
        "stress": np.array([unknown if own.stress is None else own.stress for own in found]),
    }
    training.write(checkpoint.path, {"identity": np.array(checkpoint.identity), **arrays})


def _load(frames: Sequence[Frame], checkpoint: Checkpoint | None) -> list[Point]:
    """Return what was saved of the first frames."""
    path = None if checkpoint is None else checkpoint.path
    if checkpoint is None or path is None or not checkpoint.resume or not path.exists():
        return []
    arrays = training.read(path, checkpoint.identity)
    done = len(arrays["energy"])
    ends = np.cumsum([len(frame) for frame in frames[:done]])
    forces = np.split(arrays["forces"], ends[:-1])
    return [
        Point(float(energy), own, stress if np.isfinite(stress).all() else None)
        for energy, own, stress in zip(arrays["energy"], forces, arrays["stress"], strict=True)
    ]


def _tblite() -> Any:
    """Return tblite's calculator for ASE."""
    try:
        from tblite.ase import TBLite
    except ImportError as error:
        if "tblite" in str(error) and isinstance(error, ModuleNotFoundError):
            raise MissingExtra("tblite", "xtb") from error
        raise InputError(f"tblite cannot be loaded ({reason(error)})") from error
    return TBLite
