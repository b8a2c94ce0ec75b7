"""Predicted against reference values: on the diagonal is right."""

import numpy as np
from ase.data import chemical_symbols
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rgnn.plot.style import DENSITY, FAINT, PALETTE, panels, styled

DENSE = 3000
"""From this many points on a panel shows their density instead of each one."""


@styled
def energies(
    reference: Float[np.ndarray, " n_frame"],
    predicted: Float[np.ndarray, " n_frame"],
    n_atoms: Int[np.ndarray, " n_frame"],
    std: Float[np.ndarray, " n_frame"] | None = None,
) -> Figure:
    """Return predicted against reference energies [eV], per atom and about their mean.

    `std` [eV] draws the predicted standard deviation as bars.
    """
    figure, (axes,) = panels()
    mean = float(np.mean(reference / n_atoms))
    x, y = reference / n_atoms - mean, predicted / n_atoms - mean
    if std is not None:
        axes.errorbar(x, y, std / n_atoms, fmt="none", ecolor=FAINT, elinewidth=0.8)
    draw(axes, x, y, scale=1000.0, unit="meV/atom")
    axes.set_title(f"Energy (0 is {mean:.3f} eV/atom)")
    axes.set_xlabel("reference [eV/atom]")
    axes.set_ylabel("predicted [eV/atom]")
    return figure


@styled
def forces(
    reference: Float[np.ndarray, "n_atom 3"],
    predicted: Float[np.ndarray, "n_atom 3"],
    numbers: Int[np.ndarray, " n_atom"],
) -> Figure:
    """Return predicted against reference force components [eV/Å], one panel per species."""
    species = np.unique(numbers)
    figure, axes = panels(len(species), width=3.2, height=3.1)
    for k, (z, panel) in enumerate(zip(species, axes, strict=True)):
        x, y = reference[numbers == z].ravel(), predicted[numbers == z].ravel()
        draw(panel, x, y, scale=1000.0, unit="meV/Å", colour=PALETTE[k % len(PALETTE)])
        panel.set_title(f"Force on {chemical_symbols[z]}")
        panel.set_xlabel("reference [eV/Å]")
        panel.set_ylabel("predicted [eV/Å]")
    return figure


@styled
def values(
    reference: Float[np.ndarray, " n_value"],
    predicted: Float[np.ndarray, " n_value"],
    *,
    quantity: str,
    unit: str,
) -> Figure:
    """Return predicted against reference values of any `quantity` in `unit`."""
    figure, (axes,) = panels()
    draw(axes, reference, predicted, scale=1.0, unit=unit)
    axes.set_title(quantity)
    axes.set_xlabel(f"reference [{unit}]")
    axes.set_ylabel(f"predicted [{unit}]")
    return figure


def draw(
    axes: Axes,
    reference: Float[np.ndarray, " n_value"],
    predicted: Float[np.ndarray, " n_value"],
    *,
    scale: float,
    unit: str,
    colour: str = PALETTE[0],
) -> None:
    """Draw predicted against reference values; errors are written in `unit` = value × `scale`."""
    _scatter(axes, reference, predicted, colour)
    _finish(axes, reference, predicted, scale=scale, unit=unit)


def _scatter(axes: Axes, x: np.ndarray, y: np.ndarray, colour: str) -> None:
    if x.size < DENSE:
        axes.plot(x, y, "o", ms=3, mew=0, alpha=0.6, color=colour, rasterized=x.size > 500)
        return
    axes.hexbin(x, y, gridsize=60, bins="log", mincnt=1, cmap=DENSITY, lw=0.1, rasterized=True)


def _finish(axes: Axes, x: np.ndarray, y: np.ndarray, *, scale: float, unit: str) -> None:
    """Draw the diagonal, make the axes equal and write the errors into the panel."""
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    margin = 0.04 * (high - low) or 1e-3
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=FAINT, lw=1, zorder=0)
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    axes.locator_params(nbins=5)
    error = (y - x) * scale
    words = f"MAE {np.abs(error).mean():.3g} {unit}\nRMSE {np.sqrt(np.mean(error**2)):.3g} {unit}"
    axes.text(0.04, 0.96, words, transform=axes.transAxes, va="top", fontsize=8)
