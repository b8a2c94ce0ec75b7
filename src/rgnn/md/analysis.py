"""From a run directory to the numbers and curves that judge it."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from jaxtyping import Float

from rgnn.core.errors import InputError
from rgnn.core.structure import Structure
from rgnn.md.config import MDConfig
from rgnn.md.files import Log, Run, read_run
from rgnn.md.observables import (
    Diffusion,
    Drift,
    RadialDistribution,
    Temperature,
    Vibrations,
    default_window,
    diffusion,
    drift,
    mean_square_displacement,
    radial_distribution,
    temperature,
    vibrations,
    without_drift,
)
from rgnn.md.start import degrees_of_freedom

_FRAMES_FOR_RDF = 200  # more add nothing to the eye and seconds to the wait
_MIN_FRAMES = 32
_BLOCKS = 4
_LOG_NUMBERS = (
    ("pressure_mean_GPa", "pressure_GPa", np.mean),
    ("volume_mean_A3", "volume_A3", np.mean),
    ("force_std_max_eV_per_A", "max_force_std_eV_per_A", np.max),
)


@dataclass(frozen=True, eq=False)
class Displacement:
    """Mean-square displacement of one element and the diffusion it shows."""

    lag_ps: Float[np.ndarray, " n_lag"]
    msd_A2: Float[np.ndarray, " n_lag"]
    diffusion: Diffusion | None
    """`None` where the run is too short to see past vibrations."""


@dataclass(frozen=True, eq=False)
class Analysis:
    """Observables of one run after its first `discarded_ps`; `None` where the run is too short
    or the quantity undefined (g(r) of a molecule)."""

    log: Log
    """The whole log, the discarded part included."""
    target_K: float | None
    """What the thermostat aims at; `None` in nve, where there is none."""
    discarded_ps: float
    length_ps: float
    """What was analysed."""
    n_atoms: int
    temperature: Temperature | None
    drift: Drift | None
    """Of the conserved energy; `None` for Langevin, which conserves none."""
    radial: RadialDistribution | None
    displacements: dict[str, Displacement]
    """By element symbol; empty if there are too few frames."""
    vibrations: Vibrations | None

    def summary(self) -> dict[str, float | int | str | None]:
        """Return the numbers alone, units in their names, ready for JSON."""
        numbers: dict[str, float | int | str | None] = {
            "n_atoms": self.n_atoms,
            "length_ps": self.length_ps,
            "discarded_ps": self.discarded_ps,
            "target_temperature_K": self.target_K,
        }
        if self.temperature:
            numbers |= {f"temperature_{k}": v for k, v in asdict(self.temperature).items()}
        if self.drift:
            numbers |= {f"energy_drift_{k}": v for k, v in asdict(self.drift).items()}
        for symbol, one in self.displacements.items():
            if one.diffusion:
                numbers |= _diffusion_numbers(f"diffusion_{symbol}", one.diffusion)
        late = _late(self.log, self.discarded_ps)
        for name, column, reduce in _LOG_NUMBERS:
            if np.isfinite(late[column]).any():
                numbers[name] = float(reduce(late[column]))
        return numbers


def analyse(out: Path, *, discard: float = 0.2, r_max: float = 6.0) -> Analysis:
    """Return the observables of the md run in `out`, its first fraction `discard` left out.

    Raises `InputError` if `out` is not the directory of a run.
    """
    if not 0 <= discard < 1:
        raise InputError(f"md analysis: discard must lie in [0, 1), got {discard:g}")
    run = read_run(out)
    settings = MDConfig(**run.physics, steps=0)  # pyright: ignore[reportArgumentType]
    times = np.array([frame.info["time_fs"] for frame in run.frames]) / 1000
    skipped = discard * float(times[-1])
    frames = [frame for frame, time in zip(run.frames, times, strict=True) if time >= skipped]
    late = _late(run.log, skipped)
    frame_ps = settings.trajectory_interval * settings.timestep_fs / 1000
    enough = len(frames) >= _MIN_FRAMES
    return Analysis(
        log=run.log,
        target_K=None if settings.ensemble == "nve" else settings.temperature_K,
        discarded_ps=skipped,
        length_ps=float(times[-1]) - skipped,
        n_atoms=len(frames[0]),
        temperature=_temperature(run, settings, late),
        drift=_drift(late, len(frames[0])),
        radial=_radial(frames, r_max),
        displacements=_displacements(frames, frame_ps) if enough else {},
        vibrations=_vibrations(frames, frame_ps) if enough else None,
    )


def _diffusion_numbers(name: str, found: Diffusion) -> dict[str, float | int | str | None]:
    return {
        f"{name}_A2_per_ps": found.A2_per_ps,
        f"{name}_stderr_A2_per_ps": found.stderr_A2_per_ps,
        f"{name}_cm2_per_s": found.cm2_per_s,
        f"{name}_stderr_cm2_per_s": found.stderr_cm2_per_s,
        f"{name}_window_ps": "{:g}-{:g}".format(*found.window_ps),
        f"{name}_exponent": found.exponent,
    }


def _late(log: Log, skipped_ps: float) -> Log:
    kept = log["time_fs"] >= 1000 * skipped_ps
    return {name: column[kept] for name, column in log.items()}


def _temperature(run: Run, settings: MDConfig, late: Log) -> Temperature | None:
    if len(late["temperature_K"]) < 2:
        return None
    freedom = degrees_of_freedom(run.frames[0], friction=settings.has_friction)
    kelvin = late["temperature_K"]
    target = float(kelvin.mean()) if settings.ensemble == "nve" else settings.temperature_K
    return temperature(kelvin, target, max(freedom, 1))


def _drift(late: Log, n_atoms: int) -> Drift | None:
    energy = late["conserved_eV"]
    if len(energy) < 3 or not np.isfinite(energy).all():
        return None
    return drift(late["time_fs"] / 1000, energy, n_atoms)


def _radial(frames: list[Atoms], r_max: float) -> RadialDistribution | None:
    if not (frames[0].pbc.all() and frames[0].cell.rank == 3):
        return None
    stride = math.ceil(len(frames) / _FRAMES_FOR_RDF)
    structures = [
        Structure(f.positions, np.asarray(f.numbers), f.cell.array, f.pbc) for f in frames[::stride]
    ]
    return radial_distribution(structures, r_max=r_max)


def _displacements(frames: list[Atoms], frame_ps: float) -> dict[str, Displacement]:
    paths = without_drift(_paths(frames), frames[0].get_masses())
    found = {}
    for number in np.unique(frames[0].numbers):
        mine = paths[:, frames[0].numbers == number]
        msd = mean_square_displacement(mine)
        lags = np.arange(len(msd)) * frame_ps
        half = len(msd) // 2  # beyond, few origins are left
        found[chemical_symbols[number]] = Displacement(
            lags[:half], msd[:half], _diffusion(mine, frame_ps)
        )
    return found


def _diffusion(path: Float[np.ndarray, "n_frame n_atom 3"], frame_ps: float) -> Diffusion | None:
    low, high = default_window(len(path) // _BLOCKS * frame_ps)
    if high < 1.5 * low:
        return None
    return diffusion(path, frame_ps, n_block=_BLOCKS)


def _paths(frames: list[Atoms]) -> Float[np.ndarray, "n_frame n_atom 3"]:
    """Return positions [Å] whose changes are motion of atoms, not of the cell.

    In a cell that moves, fractional coordinates are unwrapped and put into the mean cell.
    """
    positions = np.stack([frame.positions for frame in frames])
    cells = np.stack([frame.cell.array for frame in frames])
    if np.ptp(cells, axis=0).max() == 0:
        return positions
    return positions @ np.linalg.inv(cells) @ cells.mean(axis=0)


def _vibrations(frames: list[Atoms], frame_ps: float) -> Vibrations | None:
    velocities = np.stack([frame.get_velocities() for frame in frames])
    if not velocities.any():
        return None
    return vibrations(velocities, frames[0].get_masses(), frame_ps)
