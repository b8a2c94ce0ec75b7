"""One Hamiltonian experiment: read, fit, test, record, report; and bands of what was fitted."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from rgnn import datasets
from rgnn.bands import reference as band_reference
from rgnn.bands.ghosts import FLOOR
from rgnn.bands.reference import BandPair
from rgnn.core.errors import InputError
from rgnn.core.units import MEV_PER_EV
from rgnn.io.hamiltonian_frames import HamiltonianFrame
from rgnn.io.hamiltonians import read_all
from rgnn.run import config as configuration
from rgnn.run import inputs, kinds, record
from rgnn.run.directory import METRICS, RunDirectory
from rgnn.tasks.hamiltonian import metrics as errors
from rgnn.tasks.hamiltonian.config import HamiltonianConfig
from rgnn.tasks.hamiltonian.model import HamiltonianModel
from rgnn.tasks.hamiltonian.presets import suited_to

MODEL = "model.rgnn"
PREDICTIONS = "predictions.npz"

Progress = Callable[[str, int, int], None]

_PACKAGED = "graphene-openmx"
_SAMPLE = 20_000


@dataclass(frozen=True)
class Fit:
    """What a fit is asked to do."""

    train: Sequence[str]
    out: Path
    valid: Sequence[str] = ()
    chip: str | None = None
    seed: int = 0
    reads: int = 1
    config: Path | None = None
    """Settings (YAML) that differ from those suited to the frames."""
    assignments: Sequence[str] = ()
    """Settings as `name=value`, after those of the file."""
    resume: bool = False
    overwrite: bool = False


@dataclass(frozen=True, eq=False)
class Found:
    """The arrays behind the figures of a report."""

    reference: Float[np.ndarray, " n_element"]
    """A sample of elements of H [eV], and what was predicted for them."""
    predicted: Float[np.ndarray, " n_element"]
    onsite: Bool[np.ndarray, " n_element"]
    distance: Float[np.ndarray, " n_block"]
    block_size: Float[np.ndarray, " n_block"]
    """Mean absolute element of every block [meV], and its mean absolute error."""
    block_error: Float[np.ndarray, " n_block"]
    level: Float[np.ndarray, " n_level"]
    level_predicted: Float[np.ndarray, " n_level"]
    """Levels [eV] relative to the Fermi level."""

    def save(self, path: Path) -> None:
        """Write the arrays to `path` (.npz)."""
        with path.open("wb") as stream:
            np.savez_compressed(stream, **{f.name: getattr(self, f.name) for f in fields(self)})

    @staticmethod
    def load(path: Path) -> "Found":
        """Read what `save` wrote."""
        try:
            with np.load(path, allow_pickle=False) as archive:
                return Found(**{f.name: archive[f.name] for f in fields(Found)})
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path}: damaged ({error}); evaluate the model again") from error


def frames(entries: Sequence[str]) -> list[HamiltonianFrame]:
    """Return the frames of files, folders and the packaged `graphene-openmx/train`."""
    found = []
    for entry in entries:
        name, slash, split = entry.partition("/")
        packaged = Path(datasets.__file__).parent / _PACKAGED / split
        known = name == _PACKAGED and slash and not Path(entry).exists()
        if known and not (split and packaged.is_dir()):
            raise InputError(f"{_PACKAGED} has the parts train and bands, not '{split}'")
        found += read_all([packaged if known else entry])
    return found


def load(model: Path) -> HamiltonianModel:
    """Return the model in a run directory or file."""
    return HamiltonianModel.load(inputs.model_file(model))


def fit(order: Fit, progress: Progress | None = None) -> tuple[RunDirectory, dict[str, Any]]:
    """Return the finished run directory and its metrics.

    With `resume` a finished run is returned as it is; an unfinished one is fitted again, which
    takes seconds.
    """
    stopwatch = record.Stopwatch()
    chip = inputs.chip(order.chip)
    train = frames(order.train)
    test = frames(order.valid) if order.valid else train
    config = configuration.resolve(
        HamiltonianConfig,
        file=order.config,
        assignments=order.assignments,
        base=suited_to(train),
    )
    run = RunDirectory.create(order.out, resume=order.resume, overwrite=order.overwrite)
    run.check_same_config(config)
    if run.finished:
        return run, run.read_json(METRICS)
    run.write_config(config)
    model = HamiltonianModel.fit(
        train, chip=chip, seed=order.seed, config=config, progress=progress
    )
    run.write(MODEL, model.save)
    metrics, found = evaluate(model, test, reads=order.reads, seed=order.seed, progress=progress)
    run.write(PREDICTIONS, found.save)
    seconds, cpu_seconds = stopwatch.elapsed()
    where = ", ".join(order.valid) if order.valid else "frames it was trained on (no --valid)"
    metrics |= {"seconds": seconds, "cpu_seconds": cpu_seconds, "tested_on": where}
    run.write_metrics(metrics)
    files = [*order.train, *order.valid, *filter(None, [order.chip])]
    run.finish(record.make(stopwatch, kind="hamiltonian", seed=order.seed, data=files))
    kinds.write_report(run.path)
    return run, metrics


def evaluate(
    model: HamiltonianModel,
    references: Sequence[HamiltonianFrame],
    *,
    reads: int = 1,
    seed: int = 0,
    overlap_floor: float = FLOOR,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], Found]:
    """Return the contract's metrics of `model` on frames, and the arrays behind them.

    Ghost states are looked for among overlap eigenvalues below `overlap_floor` (0: nowhere).
    """
    wall, cpu = time.perf_counter(), time.process_time()
    comparisons, pairs, blocks, asymmetry = [], [], [], 0.0
    for n, frame in enumerate(references):
        if progress:
            progress("predictions", n, len(references))
        predicted = model.predict_frame(frame.structure, reads=reads, seed=seed + n)
        found = errors.compare(frame, predicted)
        comparisons.append(found)
        pairs.append(band_reference.compare(frame, predicted, found.gauge, floor=overlap_floor))
        blocks.append(errors.by_block(frame, found))
        asymmetry = max(asymmetry, errors.hermiticity(predicted))
    if progress:
        progress("predictions", len(references), len(references))
    known = [pair for pair in pairs if pair is not None]
    metrics: dict[str, Any] = {
        "n_frames": len(references),
        "n_atoms": sum(map(len, references)),
        **errors.summarise(comparisons),
        "hermiticity_max_meV": MEV_PER_EV * asymmetry,
        **band_reference.summarise(known),
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        **counts(model),
    }
    return metrics, _found(comparisons, blocks, known)


def counts(model: HamiltonianModel) -> dict[str, Any]:
    """Return how many weights are trained and frozen, and the trained share."""
    trained, frozen = model.n_trained, model.n_frozen
    return {
        "trained_weights": trained,
        "frozen_weights": frozen,
        "trained_fraction": trained / (trained + frozen),
    }


def evaluate_files(
    model: Path,
    data: Sequence[str],
    *,
    reads: int = 1,
    seed: int = 0,
    overlap_floor: float = FLOOR,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Return the metrics of the model at `model` on the frames in `data`."""
    return evaluate(
        load(model),
        frames(data),
        reads=reads,
        seed=seed,
        overlap_floor=overlap_floor,
        progress=progress,
    )[0]


def _found(
    comparisons: list[errors.Comparison], blocks: list[np.ndarray], pairs: list[BandPair]
) -> Found:
    reference = np.concatenate([c.reference for c in comparisons])
    chosen = np.random.default_rng(0).permutation(len(reference))[:_SAMPLE]
    distance, size, error = np.concatenate(blocks, axis=1)
    levels = [np.stack([p.reference, p.predicted]).reshape(2, -1) - p.fermi for p in pairs]
    level = np.concatenate(levels, axis=1) if levels else np.zeros((2, 0))
    level = level[:, np.isfinite(level[1])]  # without what was taken out as a ghost
    return Found(
        reference[chosen],
        np.concatenate([c.predicted for c in comparisons])[chosen],
        np.concatenate([c.onsite for c in comparisons])[chosen],
        distance,
        MEV_PER_EV * size,
        MEV_PER_EV * error,
        level[0],
        level[1],
    )
