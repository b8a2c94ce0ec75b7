"""The report of a molecular-dynamics run: energy, temperature, structure, diffusion."""

from collections.abc import Mapping
from typing import Any

from rgnn.md.analysis import analyse
from rgnn.plot import dynamics
from rgnn.run import pieces
from rgnn.run.directory import METRICS, RunDirectory
from rgnn.run.report import Headline, Picture, Report, Section, metrics_table

_CAPTIONS = {
    "temperature": "Instantaneous temperature and the spread a canonical ensemble expects.",
    "energy": "Energies per atom from their start; what integration conserves should stay flat.",
    "pressure": "Pressure, with the kinetic part.",
    "uncertainty": "Largest standard deviation among the force components the model predicts: "
    "a rise says that the model leaves what it was trained on.",
    "radial": "Radial distribution functions of all pairs of elements.",
    "diffusion": "Mean-square displacement; its slope in the shaded window is 6 D.",
    "vibrations": "Velocity autocorrelation and vibrational density of states.",
}


def page(run: RunDirectory) -> Report:
    """Return the report of the finished dynamics in `run`."""
    metrics = run.read_json(METRICS)
    return Report(
        title="Molecular dynamics",
        subtitle=f"{run.path.name}: {metrics['n_atoms']} atoms",
        headline=headline(metrics),
        sections=(*sections(run), *pieces.origin(run)),
        footer=pieces.footer(run),
    )


def headline(metrics: Mapping[str, Any]) -> tuple[Headline, ...]:
    """Return temperature, drift and the fastest diffusion, as far as the run has them."""
    tiles = [Headline("Analysed", metrics["length_ps"], "ps")]
    if "temperature_mean_K" in metrics:
        target = metrics["target_temperature_K"]  # nve has none
        note = "" if target is None else f"target {target:g} K"
        tiles.append(Headline("Temperature", metrics["temperature_mean_K"], "K", note))
    if "energy_drift_meV_per_atom_per_ps" in metrics:
        drift = metrics["energy_drift_meV_per_atom_per_ps"]
        tiles.append(Headline("Energy drift", f"{drift:.2g}", "meV/atom/ps"))
    fastest = _fastest(metrics)
    if fastest:
        symbol, value, error = fastest
        note = f"± {error:.1e} (standard error)"
        tiles.append(Headline(f"Diffusion of {symbol}", f"{value:.2e}", "cm²/s", note))
    return tuple(tiles)


def sections(run: RunDirectory) -> tuple[Section, ...]:
    """Return the section with every figure the run has data for."""
    figures = dynamics.figures(analyse(run.path))
    pictures = [
        Picture(figure, _CAPTIONS.get(name, name), wide=name in ("radial", "vibrations"))
        for name, figure in figures.items()
    ]
    table = metrics_table(run.read_json(METRICS))
    return (Section("Molecular dynamics", content=(*pictures, table)),)


def _fastest(metrics: Mapping[str, Any]) -> tuple[str, float, float] | None:
    """Return symbol, diffusion coefficient and error [cm²/s] of the most mobile element."""
    found = [
        (name.split("_")[1], metrics[name], metrics[name.replace("_cm2", "_stderr_cm2")])
        for name in metrics
        if name.startswith("diffusion_") and name.count("_") == 4 and name.endswith("_cm2_per_s")
    ]
    return max(found, key=lambda entry: entry[1], default=None)
