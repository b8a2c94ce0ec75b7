"""Run molecular dynamics with any ASE calculator, and leave files that a later run continues."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from rgnn.core.errors import InputError
from rgnn.md.checkpoint import CHECKPOINT, Checkpoint, load_checkpoint
from rgnn.md.config import MDConfig
from rgnn.md.engine import AseEngine, Engine
from rgnn.md.files import LOG, TRAJECTORY, Recorder
from rgnn.md.sample import ExtrapolationWarning, check_distances, check_motion, measure
from rgnn.md.start import prepare

Progress = Callable[[str, int, int], None]
"""Called with the stage, the steps done and the steps in all, at every row of the log."""


@dataclass(frozen=True, eq=False)
class MDResult:
    """Where a finished run left its files, and its last moment."""

    out: Path
    trajectory: Path
    log: Path
    steps: int
    resumed_from: int
    atoms: Atoms
    """Final positions (unwrapped, Å), momenta and cell."""
    max_forces_std_eV_per_A: float | None
    """Largest force uncertainty seen since the (re)start; `None` if the calculator has none."""


def run(
    atoms: Atoms,
    calculator: BaseCalculator,
    config: MDConfig,
    out: Path,
    *,
    progress: Progress | None = None,
    resume: bool = False,
) -> MDResult:
    """Return where `config.steps` steps of motion from `atoms` were written below `out`.

    `atoms` stays as it is. With `resume`, continues from the last checkpoint (one per trajectory
    frame and one at the end), or starts if there is none; `config.steps` may have grown.

    Raises `Unstable` when the motion blows up and `InputError` for unusable input, a directory
    that holds another run, or a full disk; what was written until then is kept.
    """
    out.mkdir(parents=True, exist_ok=True)
    start = prepare(atoms, config)
    checkpoint = load_checkpoint(out, start, config) if resume else None
    if not resume and _holds_run(out):
        raise InputError(f"{out}: already holds an md run; resume it or choose another directory")
    motion = _engine(start, calculator, config, checkpoint)
    recorder = Recorder(out)
    first = checkpoint.step if checkpoint else 0
    check_distances(motion.atoms, config, first)
    check_motion(motion.atoms, config, first)
    recorder.begin(checkpoint)
    largest = _drive(motion, config, recorder, checkpoint, progress or _quiet)
    return MDResult(
        out=out,
        trajectory=out / TRAJECTORY,
        log=out / LOG,
        steps=max(config.steps, first),
        resumed_from=first,
        atoms=motion.atoms,
        max_forces_std_eV_per_A=None if math.isnan(largest) else largest,
    )


def _holds_run(out: Path) -> bool:
    """Return whether `out` holds something that a new run would overwrite."""
    return any((out / name).exists() for name in (CHECKPOINT, TRAJECTORY, LOG))


def _engine(
    start: Atoms, calculator: BaseCalculator, config: MDConfig, checkpoint: Checkpoint | None
) -> Engine:
    """Return the engine `config` names, set to the start or to the checkpoint."""
    atoms = checkpoint.atoms if checkpoint else start
    state = checkpoint.state if checkpoint else None
    if config.engine == "lammps":
        from rgnn.md.lammps import LammpsEngine

        return LammpsEngine(atoms, calculator, config, state)
    return AseEngine(atoms, calculator, config, state)


def _drive(
    motion: Engine,
    config: MDConfig,
    recorder: Recorder,
    checkpoint: Checkpoint | None,
    progress: Progress,
) -> float:
    """Advance to the last step, recording on the way; return the largest force uncertainty."""
    step = checkpoint.step if checkpoint else 0
    largest = math.nan
    if checkpoint is None:
        largest = _watch(_record(motion, config, recorder, 0, progress), largest, 0, config)
    while step < config.steps:
        target = min(_next(step, config), config.steps)
        motion.advance(step + 1, target - step)
        step = target
        std = _record(motion, config, recorder, step, progress)
        largest = _watch(std, largest, step, config)
    return largest


def _next(step: int, config: MDConfig) -> int:
    """Return the next step at which something is written."""
    intervals = (config.log_interval, config.trajectory_interval)
    return min((step // interval + 1) * interval for interval in intervals)


def _record(
    motion: Engine, config: MDConfig, recorder: Recorder, step: int, progress: Progress
) -> float:
    """Write what is due at `step` and return the force uncertainty, NaN if none was looked at."""
    logged, framed = (step % k == 0 for k in (config.log_interval, config.trajectory_interval))
    std = math.nan
    if logged or framed:
        check_distances(motion.atoms, config, step)
        sample = measure(motion.atoms, config, step, motion.conserved())
        std = sample.max_force_std_eV_per_A
        if logged:
            recorder.log(sample)
            progress("md", step, config.steps)
        if framed:
            recorder.frame(motion.atoms, sample)
    if framed or step == config.steps:
        recorder.save(motion.atoms, motion.state(), config, step)
    return std


def _quiet(stage: str, done: int, total: int) -> None:
    """Show nothing."""


def _watch(std: float, largest: float, step: int, config: MDConfig) -> float:
    """Return the larger force uncertainty, NaN being none; warn when it first passes the limit."""
    limit = config.warn_forces_std_eV_per_A
    if std > limit and not largest > limit:
        warnings.warn(
            f"force uncertainty of {std:.2g} eV/Å at step {step} exceeds {limit:g} eV/Å: the model "
            "extrapolates; add such structures to its training set",
            ExtrapolationWarning,
            stacklevel=2,
        )
    return float(np.fmax(largest, std))
