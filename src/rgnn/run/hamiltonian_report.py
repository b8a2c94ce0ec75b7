"""The report of a Hamiltonian fit: elements, levels, weights."""

from typing import Any

from rgnn.plot import bands as plot
from rgnn.plot import parity
from rgnn.run import pieces
from rgnn.run.directory import METRICS, RunDirectory
from rgnn.run.hamiltonian import PREDICTIONS, Found
from rgnn.run.report import Headline, Picture, Report, Section, metrics_table


def page(run: RunDirectory) -> Report:
    """Return the report of the finished fit in `run`."""
    metrics = run.read_json(METRICS)
    return Report(
        title="DFT Hamiltonian on a resistive-memory chip",
        subtitle=f"{run.path.name}: tested on {metrics.get('tested_on', 'labelled frames')}",
        headline=_headline(metrics),
        sections=(*_sections(Found.load(run.path / PREDICTIONS), metrics), *pieces.origin(run)),
        footer=pieces.footer(run),
    )


def _headline(metrics: dict[str, Any]) -> tuple[Headline, ...]:
    found = [
        Headline(
            "H MAE", round(metrics["h_mae_meV"], 3), "meV", f"RMSE {metrics['h_rmse_meV']:.3g} meV"
        ),
        pieces.share_trained(metrics),
        Headline("Fit and test", round(metrics["cpu_seconds"], 1), "CPU s"),
    ]
    if "band_mae_meV" in metrics:
        note = f"{metrics['ghost_states']:.0f} ghost states; occupied + 2 eV"
        found.insert(1, Headline("Band MAE", round(metrics["band_mae_meV"], 2), "meV", note))
    return tuple(found)


def _sections(found: Found, metrics: dict[str, Any]) -> tuple[Section, ...]:
    elements = (
        Picture(
            parity.values(found.reference, found.predicted, quantity="Elements of H", unit="eV"),
            "Predicted against DFT elements, in one energy zero.",
        ),
        Picture(
            plot.error_by_distance(found.distance, found.block_size, found.block_error),
            "Size of the elements and their error against the distance of the two atoms.",
        ),
    )
    text = (
        "H is defined up to a multiple of S (the energy zero), which is fitted for each frame "
        "before errors are counted. The overlap is a function of the distance alone and was learnt "
        f"to {metrics['overlap_max_error']:.1g}."
    )
    sections = [Section("Elements", text, (metrics_table(metrics), *elements))]
    if found.level.size:
        sections.append(
            Section(
                "Levels",
                "Bands (or orbital energies), where small errors of H can be amplified by the "
                "near-singular overlap. Shaded: what counts, occupied levels and 2 eV above.",
                (
                    Picture(
                        plot.spectra(found.level, found.level_predicted, 0.0),
                        "Error of every level against its energy.",
                        wide=True,
                    ),
                ),
            )
        )
    return tuple(sections)
