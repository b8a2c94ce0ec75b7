"""Figures of a chip under study: its distribution, its map, its noise, its accuracy."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from rgnn.device.characterise import Characterisation
from rgnn.device.laws import Formed
from rgnn.plot.style import FAINT, PALETTE, panels, styled


@styled
def distribution(found: Characterisation) -> Figure:
    """Return the conducting cells [µS] beside the fitted laws, and their quantiles."""
    figure, (density, quantiles) = panels(2)
    cells = np.sort(found.cells[found.cells > 0])
    top = float(np.quantile(cells, 0.9995))
    density.hist(cells[cells <= top], 80, density=True, color=FAINT, alpha=0.6, label="measured")
    levels = (np.arange(cells.size) + 0.5) / cells.size
    shown = np.unique(np.linspace(0, cells.size - 1, 800).astype(int))
    for candidate, colour in zip(found.candidates, PALETTE, strict=False):
        law = candidate.law.conducting if isinstance(candidate.law, Formed) else candidate.law
        drawn = np.sort(law.sample(np.random.default_rng(0), (200_000,)))
        heights, edges = np.histogram(drawn, 120, range=(float(drawn[0]), 1.1 * top), density=True)
        label = f"{candidate.name.split(',')[0]}, ΔAIC {_gap(found, candidate.criterion):.0f}"
        density.stairs(heights, edges, color=colour, label=label)
        expected = drawn[(levels[shown] * drawn.size).astype(int)]
        quantiles.plot(expected, cells[shown], ".", ms=2, color=colour)
    limits = (float(cells[0]), float(cells[-1]))
    quantiles.plot(limits, limits, color=FAINT, lw=1)
    density.set_xlim(0.8 * float(np.quantile(cells, 5e-4)), 1.1 * top)
    density.set(xlabel="conductance [µS]", ylabel="density", title="Conducting cells")
    quantiles.set(xlabel="fitted quantile [µS]", ylabel="measured [µS]", title="Quantiles")
    density.set_ylim(top=1.5 * density.get_ylim()[1])  # room for the legend
    density.legend(loc="upper right")
    return figure


@styled
def cell_map(found: Characterisation) -> Figure:
    """Return the conductance map with the cells that are stuck high marked."""
    figure, (axes,) = panels(width=5.2)
    low, top = np.quantile(found.cells, [0.001, 0.999])
    image = axes.imshow(
        found.cells.T, vmin=low, vmax=top, cmap="cividis", aspect="auto", rasterized=True
    )
    figure.colorbar(image, ax=axes, label="conductance [µS]", shrink=0.9)
    if len(found.stuck):
        axes.plot(*found.stuck.T, "o", mfc="none", ms=5, color=PALETTE[1], label="stuck high")
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2)
    axes.set(title="Map", xlabel="line", ylabel="word line")
    return figure


@styled
def formation(found: Characterisation) -> Figure:
    """Return how neighbouring weights correlate, with what shared cells would give."""
    assert found.formation is not None, "only signed weights say how they were formed"
    figure, (axes,) = panels(width=4.4, height=2.8)
    names = ["neighbours,\ndown", "neighbours,\nacross", "second,\ndown", "second,\nacross"]
    axes.bar(names, [*found.formation.lag_1, *found.formation.lag_2], color=PALETTE[0], width=0.6)
    axes.axhline(-0.5, color=PALETTE[1], lw=1, label="neighbours share a cell: −1/2")
    axes.axhline(0, color=FAINT, lw=1)
    axes.set(ylim=(-0.65, 0.25), ylabel="correlation", title="How weights were formed")
    axes.legend(loc="lower right")
    return figure


@styled
def read_noise(found: Characterisation) -> Figure:
    """Return the spread of repeated reads against conductance [µS], and the fitted σ(G)."""
    assert found.reads is not None and found.read_noise is not None, "needs repeated reads"
    figure, (axes,) = panels(width=4.6)
    mean, spread = found.reads.mean(axis=0).ravel(), found.reads.std(axis=0, ddof=1).ravel()
    axes.plot(mean, spread, ".", ms=2, color=FAINT, rasterized=True, label="cells")
    grid = np.linspace(0, mean.max(), 200)
    law = found.read_noise
    label = f"σ² = ({law.relative:.3g} G)² + ({law.additive:.3g} µS)²"
    axes.plot(grid, law.std(grid), color=PALETTE[1], label=label)
    axes.set(xlabel="conductance [µS]", ylabel="σ of a read [µS]", title="Read noise")
    axes.legend(loc="upper left")
    return figure


@styled
def sweep(
    name: str,
    values: Sequence[float],
    errors: Mapping[str, Float[np.ndarray, "n_value n_chip"]],
    *,
    unit: str,
) -> Figure:
    """Return errors against one varied property of the chip, chips as points, means as lines."""
    figure, axes = panels(len(errors), width=4.2)
    where = np.arange(len(values))
    for panel, (label, table) in zip(axes, errors.items(), strict=True):
        panel.plot(where, table, "o", ms=3, color=FAINT)
        panel.plot(where, table.mean(axis=1), "o-", color=PALETTE[0])
        panel.set_xticks(where, [f"{value:g}" for value in values])
        panel.set(xlabel=name, ylabel=unit, title=label)
        panel.set_ylim(bottom=0)
    return figure


def _gap(found: Characterisation, criterion: float) -> float:
    return criterion - found.candidates[0].criterion
