"""Several fits that belong together: along a bond, or on several chips.

Each is a run directory of its own inside that of the series, so that an interrupted series loses
nothing finished. All share one compiled program.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from rgnn.core.errors import InputError
from rgnn.run import kinds, record
from rgnn.run.directory import RunDirectory
from rgnn.run.wavefunction import Fit, Progress, fit
from rgnn.run.wavefunction_report import CHIPS, SCAN

Row = dict[str, Any]


def scan(
    order: Fit, lengths: list[float], progress: Progress | None = None
) -> tuple[RunDirectory, list[Row]]:
    """Return the directory and the metrics of a fit at every bond length [bohr]."""
    points = {f"R_{length:.4f}": replace(order, bond_length=length) for length in lengths}
    for point in points.values():
        point.molecule()  # refuse what cannot be scanned before anything is written
    labels = [{"bond_length_bohr": length} for length in lengths]
    return _series(order, SCAN, "bond lengths", points, labels, progress)


def chips(
    order: Fit, count: int, progress: Progress | None = None
) -> tuple[RunDirectory, list[Row]]:
    """Return the directory and the metrics of a fit on every one of `count` chips.

    Chips and walkers are drawn with the seeds `order.seed`, `order.seed` + 1, …
    """
    if count < 2:
        raise InputError(f"--chips {count}: at least 2, or leave it out")
    if order.chip is not None:
        raise InputError(f"--chips draws chips of its own, --chip {order.chip} names one: use one")
    seeds = range(order.seed, order.seed + count)
    points = {f"chip_{seed}": replace(order, seed=seed) for seed in seeds}
    return _series(order, CHIPS, "chips", points, [{"seed": seed} for seed in seeds], progress)


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


def _series(
    order: Fit,
    name: str,
    stage: str,
    points: dict[str, Fit],
    labels: list[Row],
    progress: Progress | None,
) -> tuple[RunDirectory, list[Row]]:
    stopwatch = record.Stopwatch()
    run = RunDirectory.create(order.out, resume=order.resume, overwrite=order.overwrite)
    run.check_same_config(order.config)
    run.write_config(order.config)
    rows: list[Row] = []
    for (folder, point), label in zip(points.items(), labels, strict=True):
        out = order.out / folder
        _, metrics = fit(replace(point, out=out, resume=out.exists() and not order.overwrite))
        rows.append({**label, **metrics})
        if progress is not None:
            progress(stage, len(rows), len(points))
    run.write_json(name, {"points": rows})
    run.write_metrics(_summary(rows, stopwatch))
    run.finish(record.make(stopwatch, kind="wavefunction", seed=order.seed))
    kinds.write_report(run.path)
    return run, rows


def _summary(rows: list[Row], stopwatch: record.Stopwatch) -> Row:
    errors = [abs(row["error_mHa"]) for row in rows if row.get("error_mHa") is not None]
    energies = np.array([row["energy_Ha"] for row in rows])
    seconds, cpu_seconds = stopwatch.elapsed()
    lowest = rows[int(energies.argmin())]
    summary = {
        "points": len(rows),
        "max_error_mHa": max(errors) if errors else None,
        "mean_energy_Ha": float(energies.mean()),
        "energy_spread_Ha": float(energies.std(ddof=1)),
        "lowest_energy_Ha": lowest["energy_Ha"],
        "lowest_at_bohr": lowest.get("bond_length_bohr"),
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
    }
    return {key: value for key, value in summary.items() if value is not None or "error" in key}
