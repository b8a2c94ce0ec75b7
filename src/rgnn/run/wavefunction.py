"""One wavefunction experiment: build, train, evaluate, record; and scans along a bond."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from rgnn.core.errors import InputError
from rgnn.run import inputs, kinds, record
from rgnn.run.directory import CHECKPOINT, METRICS, RunDirectory, to_json
from rgnn.run.wavefunction_report import SAMPLES, SCAN, SYSTEM
from rgnn.tasks.wavefunction.config import WavefunctionConfig
from rgnn.tasks.wavefunction.evaluate import Evaluated
from rgnn.tasks.wavefunction.system import Molecule, molecule
from rgnn.tasks.wavefunction.wavefunction import Wavefunction

MODEL = "model.npz"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Fit:
    """What a fit is asked to do."""

    system: str
    out: Path
    charge: int = 0
    spin: int | None = None
    bond_length: float | None = None
    chip: str | None = None
    seed: int = 0
    config: WavefunctionConfig = field(default_factory=WavefunctionConfig)
    resume: bool = False
    overwrite: bool = False

    def molecule(self) -> Molecule:
        """Return the molecule that is asked for."""
        return molecule(
            self.system, charge=self.charge, spin=self.spin, bond_length=self.bond_length
        )


def fit(order: Fit, progress: Progress | None = None) -> tuple[RunDirectory, dict[str, Any]]:
    """Return the finished run directory and its metrics.

    With `resume` a finished run is returned as it is and an interrupted one continues with the
    same numbers it would have had.
    """
    stopwatch = record.Stopwatch()
    target = order.molecule()
    chip = inputs.chip(order.chip)
    config = order.config.resolved(target)
    run = RunDirectory.create(order.out, resume=order.resume, overwrite=order.overwrite)
    run.check_same_config(config)
    _check_same_system(run, target, order)
    if run.finished:
        return run, run.read_json(METRICS)
    run.write_config(config)
    run.write_json(SYSTEM, _described(target, order))
    psi = Wavefunction.fit(
        target,
        chip=chip,
        seed=order.seed,
        config=config,
        checkpoint=run.path / f"{CHECKPOINT}.npz",
        progress=progress,
    )
    run.write(MODEL, psi.save)
    metrics = _store(run, psi, stopwatch)
    files = [path for path in (order.system, order.chip) if path is not None]
    run.finish(record.make(stopwatch, kind="wavefunction", seed=order.seed, data=map(Path, files)))
    kinds.write_report(run.path)
    return run, metrics


def evaluate(model: Path, *, seed: int = 1, progress: Progress | None = None) -> dict[str, Any]:
    """Return the metrics of a wavefunction sampled anew, with random numbers of its own."""
    stopwatch = record.Stopwatch()
    psi = Wavefunction.load(inputs.model_file(model)).evaluate(seed=seed, progress=progress)
    seconds, cpu_seconds = stopwatch.elapsed()
    return psi.metrics() | {"seconds": seconds, "cpu_seconds": cpu_seconds}


def scan(
    order: Fit, lengths: list[float], progress: Progress | None = None
) -> tuple[RunDirectory, list[dict[str, Any]]]:
    """Return the directory and the metrics of a fit at every bond length [bohr].

    Each point is a run directory of its own, so that an interrupted scan loses nothing finished.
    """
    stopwatch = record.Stopwatch()
    run = RunDirectory.create(order.out, resume=order.resume, overwrite=order.overwrite)
    run.check_same_config(order.config)
    run.write_config(order.config)
    rows = []
    for number, length in enumerate(lengths):
        point = replace(
            order,
            out=order.out / f"R_{length:.4f}",
            bond_length=length,
            resume=(order.out / f"R_{length:.4f}").exists(),
            overwrite=False,
        )
        _, metrics = fit(point)
        rows.append({"bond_length_bohr": length, **metrics})
        if progress is not None:
            progress("bond lengths", number + 1, len(lengths))
    run.write_json(SCAN, {"points": rows})
    run.write_metrics(_summary(rows, stopwatch))
    run.finish(record.make(stopwatch, kind="wavefunction", seed=order.seed))
    kinds.write_report(run.path)
    return run, rows


def bond_lengths(text: str) -> list[float]:
    """Return the bond lengths [bohr] that `first:last:count` stands for."""
    parts = text.split(":")
    try:
        first, last, count = float(parts[0]), float(parts[1]), int(parts[2])
    except (IndexError, ValueError):
        raise InputError(f"--scan {text}: expected first:last:count, e.g. 0.8:4:12") from None
    if len(parts) != 3 or not 0 < first < last or count < 2:
        raise InputError(
            f"--scan {text}: needs 0 < first < last [bohr] and at least 2 points, e.g. 0.8:4:12"
        )
    return [round(float(length), 6) for length in np.linspace(first, last, count)]


def write_metrics(path: Path, metrics: dict[str, Any]) -> None:
    """Write metrics as JSON."""
    path.write_text(to_json(metrics), encoding="utf-8")


def _store(run: RunDirectory, psi: Wavefunction, stopwatch: record.Stopwatch) -> dict[str, Any]:
    """Write metrics and the arrays behind the figures; return the metrics."""
    seconds, cpu_seconds = stopwatch.elapsed()
    metrics = psi.metrics() | {"seconds": seconds, "cpu_seconds": cpu_seconds}
    if psi.evaluated is not None:
        metrics |= {"dipole_ebohr": dipole(psi.molecule, psi.evaluated)}
        run.write(SAMPLES, lambda path: _save_samples(path, psi, psi.evaluated))
    run.write_metrics(metrics)
    return metrics


def dipole(target: Molecule, found: Evaluated) -> list[float]:
    """Return the mean dipole moment Σ Z_A R_A − ⟨Σ r_i⟩ [e bohr]."""
    return [float(d) for d in target.charges @ target.positions + found.dipole.mean(0)]


def _save_samples(path: Path, psi: Wavefunction, found: Evaluated | None) -> None:
    if found is None:
        return
    with path.open("wb") as stream:
        np.savez_compressed(
            stream,
            energy=psi.trace.energy,
            variance=psi.trace.variance,
            series=found.series.astype(np.float32),
            electrons=found.electrons.astype(np.float32),
            nuclei=psi.molecule.positions,
        )


def _described(target: Molecule, order: Fit) -> dict[str, Any]:
    return {
        "name": target.name,
        "symbols": list(target.symbols),
        "positions_bohr": target.positions.tolist(),
        "n_up": target.spins.n_up,
        "n_down": target.spins.n_down,
        "chip": order.chip,
        "seed": order.seed,
        "reference_Ha": target.reference,
    }


def _check_same_system(run: RunDirectory, target: Molecule, order: Fit) -> None:
    """Refuse to continue the run of another molecule, chip or seed."""
    before = run.read_json(SYSTEM)
    now = _described(target, order)
    changed = [name for name in now if before and before.get(name) != now[name]]
    if changed:
        raise InputError(
            f"{run.path} holds a run of {before.get('name')} with other {', '.join(changed)}; "
            "choose another --out or start again with --overwrite"
        )


def _summary(rows: list[dict[str, Any]], stopwatch: record.Stopwatch) -> dict[str, Any]:
    errors = [abs(row["error_mHa"]) for row in rows if row.get("error_mHa") is not None]
    lowest = min(rows, key=lambda row: row["energy_Ha"])
    seconds, cpu_seconds = stopwatch.elapsed()
    return {
        "points": len(rows),
        "max_error_mHa": max(errors) if errors else None,
        "lowest_energy_Ha": lowest["energy_Ha"],
        "lowest_at_bohr": lowest["bond_length_bohr"],
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
    }
