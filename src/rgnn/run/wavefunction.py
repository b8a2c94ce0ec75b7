"""One wavefunction experiment: build, train, evaluate, record."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rgnn.core.errors import InputError
from rgnn.device.chip import Chip
from rgnn.run import inputs, kinds, record
from rgnn.run.directory import CHECKPOINT, METRICS, RunDirectory, to_json
from rgnn.run.wavefunction_live import Live
from rgnn.run.wavefunction_report import SAMPLES, SYSTEM
from rgnn.tasks.wavefunction import original
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
    chip = named_chip(order.chip)
    config = order.config.resolved(target)
    run = RunDirectory.create(order.out, resume=order.resume, overwrite=order.overwrite)
    run.check_same_config(config)
    _check_same_system(run, target, order)
    if run.finished:
        return run, run.read_json(METRICS)
    run.write_config(config)
    run.write_json(SYSTEM, _described(target, order))
    live = Live(run, target.reference)
    psi = Wavefunction.fit(
        target,
        chip=chip,
        seed=order.seed,
        config=config,
        checkpoint=run.path / f"{CHECKPOINT}.npz",
        progress=progress,
        watch=live,
    )
    live.draw(psi.trace)
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


def named_chip(text: str | None) -> Chip | None:
    """Return a chip by file or preset, or behind measured weights of the original wavefunction."""
    if text is not None and original.is_measured(Path(text)):
        return original.chip(Path(text))
    return inputs.chip(text)


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
