"""The report of a force-field fit: accuracy, uncertainty, chip."""

from typing import Any

import numpy as np
from ase.data import chemical_symbols

from rgnn.plot import conductance, errors, parity
from rgnn.run import pieces
from rgnn.run.comparison import Comparison
from rgnn.run.directory import METRICS, RunDirectory
from rgnn.run.report import Headline, Picture, Report, Section, Table, metrics_table

PREDICTIONS = "predictions.npz"
CHIP = "chip.npz"
INPUTS = "inputs.json"


def page(run: RunDirectory) -> Report:
    """Return the report of the finished fit in `run`."""
    metrics = run.read_json(METRICS)
    return Report(
        title="Force field on a resistive-memory chip",
        subtitle=f"{run.path.name}: tested on {metrics.get('tested_on', 'labelled frames')}",
        headline=headline(metrics),
        sections=(*sections(run, metrics), *pieces.origin(run)),
        footer=pieces.footer(run),
    )


def headline(metrics: dict[str, Any]) -> tuple[Headline, ...]:
    """Return accuracy, trained share and cost."""
    relative = 100 * metrics["force_relative_error"]
    return (
        Headline(
            "Force MAE", metrics["force_mae_meV_per_A"], "meV/Å", f"{relative:.1f} % of the forces"
        ),
        Headline("Energy MAE", metrics["energy_mae_meV_per_atom"], "meV/atom"),
        pieces.share_trained(metrics),
        Headline("Fit and test", round(metrics["cpu_seconds"], 1), "CPU s"),
    )


def sections(run: RunDirectory, metrics: dict[str, Any]) -> tuple[Section, ...]:
    """Return the sections on accuracy, uncertainty, the chip and the data."""
    found = Comparison.load(run.path / PREDICTIONS)
    return (_accuracy(found, metrics), _uncertainty(found), *_chip(run), _data(run))


def _accuracy(found: Comparison, metrics: dict[str, Any]) -> Section:
    text = f"Tested on {metrics.get('tested_on', 'labelled frames')}."
    pictures = (
        Picture(
            parity.forces(found.forces, found.forces_predicted, found.numbers),
            "Predicted against reference force components.",
            wide=True,
        ),
        Picture(
            parity.energies(found.energy, found.energy_predicted, found.n_atoms, found.energy_std),
            "Predicted against reference energies; bars are the predicted standard deviation.",
        ),
        Picture(
            errors.distribution(found.forces, found.forces_predicted, found.numbers),
            "Distribution of force errors on a logarithmic scale: a Gaussian is a parabola.",
        ),
    )
    return Section("Accuracy", text, (_by_species(found), metrics_table(metrics), *pictures))


def _by_species(found: Comparison) -> Table:
    rows = []
    for z in np.unique(found.numbers):
        of_z = found.numbers == z
        reference = found.forces[of_z]
        error = 1000 * (found.forces_predicted[of_z] - reference)
        size = 1000 * np.abs(reference).mean()
        mae, rmse = float(np.abs(error).mean()), float(np.sqrt(np.mean(error**2)))
        rows.append([chemical_symbols[z], int(of_z.sum()), mae, rmse, f"{100 * mae / size:.1f} %"])
    return Table(
        rows, ["species", "atoms", "MAE [meV/Å]", "RMSE [meV/Å]", "relative"], "Forces by species"
    )


def _uncertainty(found: Comparison) -> Section:
    error = found.forces_predicted - found.forces
    return Section(
        "Uncertainty",
        "Every prediction comes with a standard deviation. It is calibrated where both curves "
        "follow the diagonal.",
        (
            Picture(
                errors.against_uncertainty(error, found.forces_std),
                "Force components sorted by predicted uncertainty, in bins of equal count.",
            ),
            Picture(
                errors.coverage(error, found.forces_std),
                "How often the true force lies inside the predicted interval.",
            ),
        ),
    )


def _chip(run: RunDirectory) -> tuple[Section, ...]:
    from rgnn.device.chip import Chip

    if not (run.path / CHIP).exists():
        return ()
    chip = Chip.load(run.path / CHIP)
    text = (
        f"{chip.name}: {len(chip.conductance)} macro(s), wiring `{chip.wiring}`, read noise "
        f"{100 * chip.noise.relative:g} % of the conductance. Programmed once, never trained."
    )
    pictures = (
        Picture(conductance.histogram(chip.conductance), "Conductance of all conducting cells."),
        Picture(conductance.map_of(chip.conductance[0]), "The first macro."),
    )
    return (Section("Chip", text, pictures),)


def _data(run: RunDirectory) -> Section:
    described = run.read_json(INPUTS)
    tables = [
        Table(list(rows.items()), caption=name)
        for name, rows in described.items()
        if isinstance(rows, dict)
    ]
    return Section("Data", content=tables, folded=True)
