"""Figures of molecular dynamics: traces in time, structure, diffusion and vibrations."""

from collections.abc import Mapping

import numpy as np
from ase.data import chemical_symbols
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rgnn.md.analysis import Analysis, Displacement
from rgnn.md.observables import Drift, RadialDistribution, Temperature, Vibrations
from rgnn.plot.style import FAINT, PALETTE, panels, styled


def figures(analysis: Analysis) -> dict[str, Figure]:
    """Return every figure that `analysis` has the data for, by a short name."""
    log = analysis.log
    time = log["time_fs"] / 1000
    found = {
        "temperature": temperature(
            time,
            log["temperature_K"],
            target_K=analysis.target_K,
            discarded_ps=analysis.discarded_ps,
            statistics=analysis.temperature,
        ),
        "energy": energy(
            time,
            potential_eV=log["potential_eV"],
            total_eV=log["total_eV"],
            conserved_eV=log["conserved_eV"],
            n_atom=analysis.n_atoms,
            drift=analysis.drift,
        ),
    }
    if np.isfinite(log["pressure_GPa"]).any():
        found["pressure"] = pressure(time, log["pressure_GPa"], log["volume_A3"])
    if np.isfinite(log["max_force_std_eV_per_A"]).any():
        found["uncertainty"] = uncertainty(time, log["max_force_std_eV_per_A"])
    if analysis.radial:
        found["radial"] = radial(analysis.radial)
    if analysis.displacements:
        found["diffusion"] = displacement(analysis.displacements)
    if analysis.vibrations:
        found["vibrations"] = vibrations(analysis.vibrations)
    return found


@styled
def temperature(
    time_ps: Float[np.ndarray, " n_sample"],
    kelvin: Float[np.ndarray, " n_sample"],
    *,
    target_K: float | None = None,
    discarded_ps: float = 0.0,
    statistics: Temperature | None = None,
) -> Figure:
    """Return the temperature [K] in time, with the spread the canonical ensemble expects."""
    figure, (axes,) = panels(width=5.0, height=3.0)
    _discarded(axes, discarded_ps)
    axes.plot(time_ps, kelvin, lw=0.8, color=PALETTE[0])
    if target_K is not None:
        axes.axhline(target_K, color=PALETTE[1], lw=1, label=f"target {target_K:g} K")
    title = "Temperature"
    if statistics:
        centre = statistics.mean_K if target_K is None else target_K
        spread = statistics.canonical_std_K
        label = f"canonical ±{spread:.0f} K"
        axes.axhspan(
            centre - spread, centre + spread, color=PALETTE[1], alpha=0.12, lw=0, label=label
        )
        title += (
            f" {statistics.mean_K:.0f} ± {statistics.stderr_K:.0f} K, "
            f"spread {statistics.std_K:.0f} K"
        )
    _trace(axes, time_ps, title, "temperature [K]")
    axes.legend(loc="best")
    return figure


@styled
def energy(
    time_ps: Float[np.ndarray, " n_sample"],
    *,
    potential_eV: Float[np.ndarray, " n_sample"],
    total_eV: Float[np.ndarray, " n_sample"],
    conserved_eV: Float[np.ndarray, " n_sample"],
    n_atom: int,
    drift: Drift | None = None,
) -> Figure:
    """Return potential and total energy beside the conserved one, per atom and from their start.

    Without a conserved energy (Langevin) the second panel is left out.
    """
    conserves = bool(np.isfinite(conserved_eV).any())
    figure, axes = panels(1 + conserves, width=5.0, height=3.0)
    per_atom = 1000 / n_atom
    for label, values, colour in (
        ("potential", potential_eV, PALETTE[0]),
        ("total", total_eV, PALETTE[1]),
    ):
        axes[0].plot(time_ps, (values - values[0]) * per_atom, lw=0.8, color=colour, label=label)
    _trace(axes[0], time_ps, "Energy since the start", "energy [meV/atom]")
    axes[0].legend(loc="best")
    if conserves:
        axes[1].plot(time_ps, (conserved_eV - conserved_eV[0]) * per_atom, lw=0.8, color=PALETTE[2])
        title = "Conserved energy"
        if drift:
            title += (
                f": drift {drift.meV_per_atom_per_ps:.2g} ± "
                f"{drift.stderr_meV_per_atom_per_ps:.1g} meV/atom/ps"
            )
        _trace(axes[1], time_ps, title, "energy [meV/atom]")
    return figure


@styled
def pressure(
    time_ps: Float[np.ndarray, " n_sample"],
    pressure_GPa: Float[np.ndarray, " n_sample"],
    volume_A3: Float[np.ndarray, " n_sample"],
) -> Figure:
    """Return pressure [GPa] and, where the cell moves, volume [Å³] in time."""
    moves = bool(np.ptp(volume_A3) > 0)
    figure, axes = panels(1 + moves, width=5.0, height=3.0)
    axes[0].plot(time_ps, pressure_GPa, lw=0.8)
    _trace(axes[0], time_ps, "Pressure", "pressure [GPa]")
    if moves:
        axes[1].plot(time_ps, volume_A3, lw=0.8)
        _trace(axes[1], time_ps, "Volume", "volume [Å³]")
    return figure


@styled
def uncertainty(
    time_ps: Float[np.ndarray, " n_sample"], std_eV_per_A: Float[np.ndarray, " n_sample"]
) -> Figure:
    """Return the largest force uncertainty [eV/Å] of each sample in time."""
    figure, (axes,) = panels(width=5.0, height=3.0)
    axes.plot(time_ps, std_eV_per_A, lw=0.8, color=PALETTE[3])
    axes.set_ylim(bottom=0)
    _trace(axes, time_ps, "Largest force uncertainty", "standard deviation [eV/Å]")
    return figure


@styled
def radial(distribution: RadialDistribution) -> Figure:
    """Return g(r) of every pair of elements, a panel each."""
    figure, axes = panels(len(distribution.pairs), columns=3, width=3.2, height=2.6)
    for k, ((a, b), panel) in enumerate(zip(distribution.pairs, axes, strict=True)):
        panel.axhline(1.0, color=FAINT, lw=0.8)
        panel.plot(distribution.radius, distribution.g[k], lw=1.2, color=PALETTE[k % 6])
        panel.set_title(f"{chemical_symbols[a]}–{chemical_symbols[b]}")
        panel.set(xlabel="r [Å]", ylabel="g(r)", xlim=(0, distribution.radius[-1]))
        panel.set_ylim(bottom=0)
    return figure


@styled
def displacement(elements: Mapping[str, Displacement]) -> Figure:
    """Return mean-square displacements [Å²] and the lines whose slope is 6 D."""
    figure, (axes,) = panels(width=5.0, height=3.6)
    for k, (symbol, one) in enumerate(elements.items()):
        label = symbol
        if one.diffusion:
            found = one.diffusion
            label += f": D = {_with_error(found.cm2_per_s, found.stderr_cm2_per_s)} cm²/s"
            label += f", MSD ∝ t^{found.exponent:.2f}"
        axes.plot(one.lag_ps, one.msd_A2, lw=1.5, color=PALETTE[k % len(PALETTE)], label=label)
    fitted = [one for one in elements.values() if one.diffusion]
    for one in fitted:
        _fitted_line(axes, one)
    if fitted and fitted[0].diffusion:
        low, high = fitted[0].diffusion.window_ps
        axes.axvspan(low, high, color=FAINT, alpha=0.15, lw=0, label=f"fit {low:.3g}–{high:.3g} ps")
    axes.set_title("Mean-square displacement" + ("" if fitted else " (too short a run for D)"))
    axes.set(xlabel="lag [ps]", ylabel="⟨Δr²⟩ [Å²]")
    axes.set_xlim(left=0)
    highest = max(float(one.msd_A2.max()) for one in elements.values())
    axes.set_ylim(0, 1.1 * highest or 1.0)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center")
    return figure


def _fitted_line(axes: Axes, one: Displacement) -> None:
    """Draw the straight line whose slope gave the diffusion coefficient."""
    if one.diffusion is None:
        return
    window = np.array(one.diffusion.window_ps)
    inside = (one.lag_ps >= window[0] - 1e-9) & (one.lag_ps <= window[1] + 1e-9)
    slope = 6 * one.diffusion.A2_per_ps
    line = one.msd_A2[inside].mean() + slope * (window - one.lag_ps[inside].mean())
    axes.plot(window, line, "--", lw=1, color="black")


@styled
def vibrations(found: Vibrations) -> Figure:
    """Return the velocity autocorrelation and the vibrational density of states."""
    figure, (memory, spectrum) = panels(2, width=5.0, height=3.0)
    memory.axhline(0.0, color=FAINT, lw=0.8)
    memory.plot(found.lag_ps, found.autocorrelation, lw=1)
    memory.set_title("Velocity autocorrelation")
    memory.set(xlabel="lag [ps]", ylabel="⟨v(0)·v(t)⟩ / ⟨v²⟩")
    spectrum.fill_between(found.frequency_THz, found.density_per_THz, lw=0, alpha=0.3)
    spectrum.plot(found.frequency_THz, found.density_per_THz, lw=1)
    spectrum.set_title("Vibrational density of states")
    spectrum.set(xlabel="frequency [THz]", ylabel="density [1/THz]")
    reach = np.cumsum(found.density_per_THz) / found.density_per_THz.sum()
    highest = float(found.frequency_THz[np.searchsorted(reach, 0.98)])
    spectrum.set_xlim(0, min(1.3 * highest, found.frequency_THz[-1]))
    spectrum.set_ylim(bottom=0)
    return figure


def _trace(axes: Axes, time_ps: Float[np.ndarray, " n_sample"], title: str, label: str) -> None:
    axes.set_title(title)
    axes.set(xlabel="time [ps]", ylabel=label)
    if len(time_ps) > 1:
        axes.set_xlim(time_ps[0], time_ps[-1])


def _discarded(axes: Axes, until_ps: float) -> None:
    if until_ps > 0:
        axes.axvspan(0, until_ps, color=FAINT, alpha=0.2, lw=0, label="left out")


def _with_error(value: float, error: float) -> str:
    """Return `(1.23 ± 0.04)×10⁻⁵`."""
    power = int(np.floor(np.log10(max(abs(value), abs(error), 1e-99))))
    digits = str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"({value / 10.0**power:.2f} ± {error / 10.0**power:.2f})×10{digits}"
