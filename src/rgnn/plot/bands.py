"""Bands, densities of states, and errors of Hamiltonian elements."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rgnn.plot.style import FAINT, INK, PALETTE, panels, styled

Ticks = Sequence[tuple[float, str]]


@styled
def bands(
    length: Float[np.ndarray, " n_k"],
    predicted: Float[np.ndarray, "n_spin n_k n_band"],
    fermi: float,
    ticks: Ticks,
    *,
    reference: Float[np.ndarray, "n_spin n_k n_band"] | None = None,
    grid: Float[np.ndarray, " n_energy"] | None = None,
    dos: Float[np.ndarray, " n_energy"] | None = None,
    window: tuple[float, float] = (-22.0, 8.0),
) -> Figure:
    """Return bands [eV] relative to `fermi` along a path, the reference below the prediction.

    With `grid` [eV] and `dos` [1/eV] a second panel shows the density of states.
    """
    with_dos = grid is not None and dos is not None
    figure, axes = panels(2 if with_dos else 1, width=3.6 if with_dos else 5.0, height=4.2)
    main = axes[0]
    for spin in () if reference is None else reference:
        main.plot(length, spin - fermi, color=FAINT, lw=3.0, solid_capstyle="round")
    if reference is not None:
        main.plot([], [], color=FAINT, lw=3.0, label="DFT")
    names = ("predicted",) if len(predicted) == 1 else ("predicted, spin up", "spin down")
    for spin, name, colour in zip(predicted, names, PALETTE, strict=False):
        main.plot(length, spin - fermi, color=colour, lw=0.9)
        main.plot([], [], color=colour, lw=0.9, label=name)
    _path_axes(main, length, ticks)
    low = max(window[0], float(predicted.min()) - fermi - 1.0)
    main.set(ylim=(low, window[1]), ylabel="energy − Fermi level [eV]")
    main.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, borderaxespad=0.2)
    if grid is not None and dos is not None:
        axes[1].fill_betweenx(grid - fermi, dos, color=PALETTE[0], alpha=0.25, lw=0)
        axes[1].plot(dos, grid - fermi, color=PALETTE[0], lw=0.9)
        axes[1].axhline(0.0, color=INK, lw=0.6, ls=":")
        axes[1].set(ylim=main.get_ylim(), xlim=(0, None), xlabel="states per eV and cell")
    return figure


def _path_axes(axes: Axes, length: np.ndarray, ticks: Ticks) -> None:
    axes.axhline(0.0, color=INK, lw=0.6, ls=":")
    for position, _ in ticks:
        axes.axvline(position, color=FAINT, lw=0.6)
    axes.set_xticks([position for position, _ in ticks], [label for _, label in ticks])
    axes.set_xlim(float(length[0]), float(length[-1]))


@styled
def error_by_distance(
    distance: Float[np.ndarray, " n_block"],
    size: Float[np.ndarray, " n_block"],
    error: Float[np.ndarray, " n_block"],
) -> Figure:
    """Return mean size and mean error [meV] of blocks against the distance [Å] of their atoms."""
    figure, (axes,) = panels(width=4.6)
    edges = np.arange(0.0, float(distance.max(initial=0.0)) + 0.25, 0.25)
    bins = np.digitize(distance, edges)
    used = np.unique(bins)
    centre = [float(distance[bins == b].mean()) for b in used]
    for values, name, colour in ((size, "DFT element", FAINT), (error, "error", PALETTE[1])):
        mean = [float(np.abs(values[bins == b]).mean()) for b in used]
        axes.semilogy(centre, np.maximum(mean, 1e-6), "o-", ms=3, lw=1, color=colour, label=name)
    axes.set(xlabel="distance of the atoms [Å]", ylabel="mean absolute value [meV]")
    axes.legend()
    return figure


@styled
def spectra(
    reference: Float[np.ndarray, " n_level"], predicted: Float[np.ndarray, " n_level"], fermi: float
) -> Figure:
    """Return the error [meV] of levels against their energy [eV], up to 15 eV above `fermi`."""
    figure, (axes,) = panels(width=4.6)
    shown = reference < fermi + 15.0
    reference, predicted = reference[shown], predicted[shown]
    axes.axvspan(float(reference.min()) - fermi - 1, 2.0, color=FAINT, alpha=0.15, lw=0)
    axes.axhline(0.0, color=INK, lw=0.6)
    axes.plot(reference - fermi, 1000 * (predicted - reference), "o", ms=2.5, mew=0, alpha=0.6)
    axes.set(xlabel="energy − Fermi level [eV]", ylabel="predicted − DFT [meV]")
    axes.set_yscale("symlog", linthresh=10.0)
    return figure
