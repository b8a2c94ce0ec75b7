"""One force-field experiment: read, fit, test, record, report; and the use of what was fitted."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ase.data import chemical_symbols

from rgnn.core.errors import InputError
from rgnn.core.structure import Frame, Labels
from rgnn.crossbar.build import Periphery
from rgnn.io.splits import thin
from rgnn.io.structures import write_frames
from rgnn.io.summary import describe
from rgnn.run import config, inputs, kinds, record
from rgnn.run.comparison import compare
from rgnn.run.directory import CHECKPOINT, METRICS, RunDirectory
from rgnn.run.force_report import CHIP, INPUTS, PREDICTIONS
from rgnn.tasks.force.baseline import check_installed
from rgnn.tasks.force.config import ForceConfig
from rgnn.tasks.force.model import ForceField
from rgnn.tasks.force.presets import suited_to

MODEL = "model.rgnn"

Progress = Callable[[str, int, int], None]

_SHOWN = 200
"""Most test frames to draw figures of."""

_SELF_TEST = 50
"""Training frames to test on where no others are given: spread evenly."""


@dataclass(frozen=True)
class Fit:
    """What a fit is asked to do."""

    train: Sequence[str]
    out: Path
    valid: str | None = None
    chip: str | None = None
    prior: Path | None = None
    """Force field for a cheaper method, whose readout is the prior mean."""
    seed: int = 0
    reads: int = 1
    config: ForceConfig | Path | None = None
    """All settings, or a YAML file with some."""
    assignments: Sequence[str] = ()
    """Settings beside the file's, `name=value`. What neither names is what suits the frames."""
    limit: int | None = None
    """Train on this many frames at even spacing; None takes all."""
    resume: bool = False
    overwrite: bool = False


def fit(order: Fit, progress: Progress | None = None) -> tuple[RunDirectory, dict[str, Any]]:
    """Return the finished run directory and its metrics.

    With `resume` a finished run is returned as it is and an interrupted one continues.
    """
    stopwatch = record.Stopwatch()
    asked = _asked(order)
    prior = None if order.prior is None else load(order.prior)
    chip = inputs.chip(order.chip)
    frames = inputs.frames(order.train)
    frames = frames if order.limit is None else thin(frames, order.limit)
    tested_on, test = _test_frames(order, frames)
    settings = _settings(order, asked, frames, prior)
    check_installed(settings.baseline)
    run = RunDirectory.create(order.out, resume=order.resume, overwrite=order.overwrite)
    run.check_same_config(settings)
    if run.finished:
        return run, run.read_json(METRICS)
    _check_same_inputs(run, order, frames)
    run.write_config(settings)
    run.write_json(INPUTS, _inputs(order, frames) | {"test frames": _described(test)})
    model = ForceField.fit(
        frames,
        chip=chip,
        seed=order.seed,
        config=settings,
        prior=prior,
        progress=progress,
        checkpoint=run.path / f"{CHECKPOINT}.npz",
        resume=order.resume,
    )
    run.write(MODEL, model.save)
    run.write(CHIP, model.chip.save)
    metrics = model.evaluate(test, reads=order.reads, seed=order.seed, progress=progress)
    shown = thin(test, _SHOWN)
    predictions = model.predict(shown, reads=order.reads, seed=order.seed, progress=progress)
    run.write(PREDICTIONS, compare(shown, predictions).save)
    seconds, cpu_seconds = stopwatch.elapsed()
    metrics |= {"seconds": seconds, "cpu_seconds": cpu_seconds, "tested_on": tested_on}
    metrics |= _told_by_training(model)
    if prior is None:
        metrics |= _told_by_frames(asked, settings)
    run.write_metrics(metrics)
    files = [*order.train, *filter(None, [order.valid, order.chip])]
    run.finish(record.make(stopwatch, kind="force", seed=order.seed, data=files))
    kinds.write_report(run.path)
    return run, metrics


def _asked(order: Fit, base: ForceConfig | None = None) -> ForceConfig:
    """Return the settings asked for; what is not named is as in `base` or the default."""
    if isinstance(order.config, ForceConfig):
        return order.config
    return config.resolve(ForceConfig, file=order.config, assignments=order.assignments, base=base)


def _settings(
    order: Fit, asked: ForceConfig, frames: Sequence[Frame], prior: ForceField | None
) -> ForceConfig:
    """Return the settings of a fit: those asked for, over what suits the frames or a prior has."""
    if prior is None:
        return _asked(order, suited_to(frames, asked))
    own = prior.config  # a shared network is what makes the readouts comparable
    under = own.baseline if asked.baseline.method == "none" else asked.baseline
    return replace(asked, reservoir=own.reservoir, baseline=under)


def _told_by_frames(asked: ForceConfig, settings: ForceConfig) -> dict[str, str]:
    """Return which settings follow from the frames, if any."""
    followed = ", ".join(config.changes(asked, settings))
    return {"settings_for_these_frames": followed} if followed else {}


def _told_by_training(model: ForceField) -> dict[str, Any]:
    """Return what baseline and learnt radial functions gained on the training data, if any."""
    found = model.readout.summary
    kinds = ("halves_force_rmse", "baseline_force_rmse", "training_force_rms")
    told = {f"{k}_meV_per_A": 1e3 * v for k, v in found.items() if k.startswith(kinds)}
    method = model.config.baseline.method
    return told if method == "none" else {"baseline": method, **told}


def load(path: Path, *, rung: str | None = None, chip: str | None = None) -> ForceField:
    """Return the model at `path` (run directory or file), on another rung or chip if asked."""
    model = ForceField.load(inputs.model_file(path))
    if rung is not None:
        settings = asdict(model.config.periphery) | {"rung": rung}
        model = model.on(periphery=config.from_dict(Periphery, settings, origin="--rung"))
    return model if chip is None else model.on(chip=inputs.chip(chip))


def known_frames(
    model: ForceField, entries: Sequence[str], *, need_labels: bool = True
) -> list[Frame]:
    """Return the frames of `entries`, all of whose elements `model` was trained on."""
    frames = inputs.frames(entries, need_labels=need_labels)
    for frame in frames:
        strangers = sorted(set(frame.structure.numbers.tolist()) - set(model.elements))
        if strangers:
            raise InputError(
                f"{frame.source}: {_symbols(strangers)} was not in the training data (which had "
                f"{_symbols(model.elements)}); fit a model to frames that contain it"
            )
    return frames


def _symbols(numbers: Sequence[int]) -> str:
    return ", ".join(chemical_symbols[z] for z in numbers)


def predict_file(
    model: Path,
    data: str,
    out: Path,
    *,
    reads: int = 1,
    seed: int = 0,
    progress: Progress | None = None,
) -> int:
    """Write predictions for the structures in `data` to `out` (extxyz); return how many."""
    fitted = load(model)
    frames = known_frames(fitted, [data], need_labels=False)
    predictions = fitted.predict(frames, reads=reads, seed=seed, progress=progress)
    labelled = [
        replace(frame, labels=Labels(p.energy, p.forces, p.stress))
        for frame, p in zip(frames, predictions, strict=True)
    ]
    write_frames(
        out,
        labelled,
        forces_std=[p.forces_std for p in predictions],
        energy_std=[p.energy_std for p in predictions],
    )
    return len(frames)


def _inputs(order: Fit, frames: Sequence[Frame]) -> dict[str, Any]:
    """Return what, besides the settings, decides the outcome of a fit."""
    prior = None if order.prior is None else str(order.prior)
    fixed = {"seed": order.seed, "chip": order.chip, "prior": prior}
    return fixed | {"training frames": _described(frames)}


def _check_same_inputs(run: RunDirectory, order: Fit, frames: Sequence[Frame]) -> None:
    """Refuse to resume a fit with another seed, chip or other frames."""
    before = run.read_json(INPUTS) if order.resume else {}
    for name, value in _inputs(order, frames).items():
        if before and before.get(name) != value:
            raise InputError(
                f"{run.path} was started with another {name.removesuffix('s')}; resume with the "
                "same, or start again with --overwrite"
            )


def _described(frames: Sequence[Frame]) -> dict[str, str]:
    return dict(describe(frames).rows())


def _test_frames(order: Fit, train: Sequence[Frame]) -> tuple[str, list[Frame]]:
    """Return frames to test on, and what to call them: training frames where no others are."""
    if order.valid is not None:
        return order.valid, inputs.frames([order.valid])
    return "frames it was trained on (no --valid)", thin(train, _SELF_TEST)
