"""The whole way on packaged data: fit, test on a melt never seen, move the atoms, report."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rgnn.md.config import MDConfig
from rgnn.reservoir.config import ReservoirConfig
from rgnn.run import force, md, record
from rgnn.run.directory import RunDirectory
from rgnn.run.kinds import write_report
from rgnn.tasks.force.config import ForceConfig, UncertaintyConfig

DATA = "li3po4-xtb"
MD = "md"
FRAMES = 120
"""Training frames, half of what is packaged: the demo is to be over in minutes."""

NETWORK = ForceConfig(
    reservoir=ReservoirConfig(cutoff=4.5, lmax=2, pair_width=48, triple_width=48),
    uncertainty=UncertaintyConfig(samples=8),
    reads=1,
)
"""A small network, for the same reason."""

MOTION = MDConfig(
    temperature_K=600.0,
    steps=500,
    timestep_fs=1.0,
    ensemble="nve",
    trajectory_interval=5,
)


@dataclass(frozen=True, eq=False)
class Demo:
    """The run directory of a finished demo and its numbers."""

    run: RunDirectory
    accuracy: dict[str, Any]
    motion: dict[str, Any]
    cpu_seconds: float


def demo(
    out: Path,
    *,
    seed: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    progress: force.Progress | None = None,
) -> Demo:
    """Return the finished demo in `out`; `resume` continues an interrupted one."""
    stopwatch = record.Stopwatch()
    order = force.Fit(
        train=[f"{DATA}/train"],
        valid=f"{DATA}/test",
        out=out,
        seed=seed,
        config=NETWORK,
        limit=FRAMES,
        resume=resume,
        overwrite=overwrite,
    )
    run, accuracy = force.fit(order, progress)
    motion_order = md.Motion(
        model=run.path,
        start=f"{DATA}/test",
        out=run.path / MD,
        config=MOTION,
        rung="exact",  # read noise would do work on the atoms and hide the drift
        resume=resume,
    )
    _, motion = md.move(motion_order, progress)
    run.finish(record.make(stopwatch, kind="demo", seed=seed))
    write_report(run.path)
    return Demo(run, accuracy, motion, stopwatch.elapsed()[1])
