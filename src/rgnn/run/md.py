"""One molecular-dynamics experiment: load the model, move the atoms, analyse, record, report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase.calculators.calculator import BaseCalculator

from rgnn.core.structure import Frame
from rgnn.io.structures import to_ase
from rgnn.md import dynamics
from rgnn.md.analysis import analyse
from rgnn.md.config import MDConfig
from rgnn.run import inputs, kinds, record
from rgnn.run.directory import RunDirectory
from rgnn.run.force import known_frames, load

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Motion:
    """What a molecular-dynamics run is asked to do; it begins at the last frame of `start`."""

    model: Path
    start: str
    out: Path
    config: MDConfig
    rung: str | None = None
    """Arithmetic to run on; None is what the model was fitted on."""
    resume: bool = False
    overwrite: bool = False


def move(order: Motion, progress: Progress | None = None) -> tuple[RunDirectory, dict[str, Any]]:
    """Return the finished run directory and its metrics; `resume` continues or prolongs a run."""
    stopwatch = record.Stopwatch()
    file = inputs.model_file(order.model)
    model = load(file, rung=order.rung)
    calculator = model.calculator(uncertainty=False, seed=order.config.seed)
    frame = known_frames(model, [order.start], need_labels=False)[-1]
    run = RunDirectory.create(order.out, resume=order.resume, overwrite=order.overwrite)
    metrics = drive(run, frame, calculator, order, progress)
    made = record.make(
        stopwatch, kind="md", seed=order.config.seed, data=[file, order.start], rung=order.rung
    )
    run.finish(made, keep_checkpoint=True)
    kinds.write_report(run.path)
    return run, metrics


def drive(
    run: RunDirectory,
    frame: Frame,
    calculator: BaseCalculator,
    order: Motion,
    progress: Progress | None,
) -> dict[str, Any]:
    """Move the atoms of `frame`, write configuration and metrics into `run`, return the metrics."""
    config = order.config
    if not run.is_run:
        run.write_config(config)

    dynamics.run(
        to_ase(frame),
        calculator,
        config,
        run.path,
        progress=progress,
        resume=order.resume,
    )
    run.write_config(config)  # a prolonged run has more steps now
    metrics = analyse(run.path).summary()
    run.write_metrics(metrics)
    return metrics
