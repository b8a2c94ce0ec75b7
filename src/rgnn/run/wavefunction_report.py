"""The report of a wavefunction: energy with its error bar, training, density, bond scan."""

from pathlib import Path
from typing import Any

import numpy as np

from rgnn.plot import wavefunction as figures
from rgnn.run import pieces
from rgnn.run.directory import METRICS, RunDirectory
from rgnn.run.report import Headline, Picture, Report, Section, Table, metrics_table

SYSTEM = "system.json"
SAMPLES = "samples.npz"
SCAN = "scan.json"
CHIPS = "chips.json"


def page(run: RunDirectory) -> Report:
    """Return the report of the finished fit or bond scan in `run`."""
    if (run.path / SCAN).exists():
        return _scan(run)
    if (run.path / CHIPS).exists():
        return _chips(run)
    metrics, system = run.read_json(METRICS), run.read_json(SYSTEM)
    return Report(
        title=f"Wavefunction of {system.get('name')} on a resistive-memory chip",
        subtitle=f"{run.path.name}: {system.get('n_up')} + {system.get('n_down')} electrons",
        headline=_headline(metrics),
        sections=(*_sections(run.path / SAMPLES, metrics), *pieces.origin(run)),
        footer=pieces.footer(run),
    )


def _headline(metrics: dict[str, Any]) -> tuple[Headline, ...]:
    error, stderr = metrics.get("error_mHa"), 1e3 * metrics["energy_stderr_Ha"]
    note = "no reference energy" if error is None else f"{error:+.2f} ± {stderr:.2f} mHa"
    return (
        Headline("Energy", f"{metrics['energy_Ha']:.5f}", "Ha", note),
        Headline("Variance of E_L", f"{metrics['variance_Ha2']:.2g}", "Ha²"),
        pieces.share_trained(metrics),
        Headline("Fit and evaluation", round(metrics["cpu_seconds"], 1), "CPU s"),
    )


def _sections(samples: Path, metrics: dict[str, Any]) -> tuple[Section, ...]:
    table = metrics_table(metrics)
    if not samples.exists():
        return (Section("Energy", "", (table,)),)
    with np.load(samples, allow_pickle=False) as archive:
        data = {name: archive[name].astype(float) for name in archive.files}
    reference = metrics.get("reference_Ha")
    energy = Section(
        "Energy",
        "Sampled anew with the averaged readouts, without clipping. The error bar is the plateau "
        "of a blocking analysis.",
        (
            table,
            Picture(
                figures.evaluation(data["series"], metrics["energy_stderr_Ha"], reference),
                "Running mean and distribution of the local energies.",
                wide=True,
            ),
        ),
    )
    training = Section(
        "Training",
        "Natural-gradient steps on the readouts; everything else is frozen on the chip.",
        (
            Picture(
                figures.training(data["energy"], data["variance"], reference),
                "Energy and variance of every batch of walkers.",
                wide=True,
            ),
        ),
    )
    density = Picture(figures.density(data["electrons"], data["nuclei"]), "Where electrons are.")
    return energy, training, Section("Density", "", (density,))


def _scan(run: RunDirectory) -> Report:
    points = run.read_json(SCAN)["points"]
    metrics = run.read_json(METRICS)

    def column(name: str) -> np.ndarray:
        return np.array([row.get(name) for row in points], dtype=float)

    curve = figures.scan(
        column("bond_length_bohr"),
        column("energy_Ha"),
        column("energy_stderr_Ha"),
        column("reference_Ha"),
    )
    names = ("bond_length_bohr", "energy_Ha", "energy_stderr_Ha", "reference_Ha", "error_mHa")
    rows = [[row.get(name) for name in names] for row in points]
    header = ["R [bohr]", "energy [Ha]", "error bar [Ha]", "reference [Ha]", "error [mHa]"]
    section = Section(
        "Potential curve",
        "Every point is a fit of its own, in a folder of its own.",
        (Picture(curve, "Energy against bond length.", wide=True), Table(rows, header)),
    )
    return Report(
        title="Bond scan on a resistive-memory chip",
        subtitle=run.path.name,
        headline=(
            Headline("Largest error", _or_dash(metrics.get("max_error_mHa")), "mHa"),
            Headline("Lowest energy", f"{metrics['lowest_energy_Ha']:.5f}", "Ha"),
            Headline("Time", round(metrics["cpu_seconds"], 1), "CPU s"),
        ),
        sections=(section, *pieces.origin(run)),
        footer=pieces.footer(run),
    )


def _chips(run: RunDirectory) -> Report:
    points, metrics = run.read_json(CHIPS)["points"], run.read_json(METRICS)
    energy = np.array([row["energy_Ha"] for row in points])
    stderr = np.array([row["energy_stderr_Ha"] for row in points])
    picture = figures.chips(energy, stderr, points[0].get("reference_Ha"))
    names = ("seed", "energy_Ha", "energy_stderr_Ha", "variance_Ha2", "error_mHa")
    rows = [[row.get(name) for name in names] for row in points]
    header = ["chip", "energy [Ha]", "error bar [Ha]", "variance [Ha²]", "error [mHa]"]
    section = Section(
        "Chips",
        "Every chip is a fit of its own, in a folder of its own.",
        (Picture(picture, "Energy on every chip."), Table(rows, header)),
    )
    return Report(
        title=f"One wavefunction on {len(points)} resistive-memory chips",
        subtitle=run.path.name,
        headline=(
            Headline("Mean energy", f"{metrics['mean_energy_Ha']:.5f}", "Ha"),
            Headline("Spread over chips", f"{1e3 * metrics['energy_spread_Ha']:.2f}", "mHa"),
            Headline("Largest error", _or_dash(metrics.get("max_error_mHa")), "mHa"),
            Headline("Time", round(metrics["cpu_seconds"], 1), "CPU s"),
        ),
        sections=(section, *pieces.origin(run)),
        footer=pieces.footer(run),
    )


def _or_dash(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
