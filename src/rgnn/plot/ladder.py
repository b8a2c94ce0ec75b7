"""What each rung of hardware costs in accuracy."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from rgnn.plot.style import INK, PALETTE, panels, styled


@styled
def bars(
    names: Sequence[str],
    values: Sequence[float],
    spread: Sequence[float] | None = None,
    *,
    label: str,
    title: str = "From ideal arithmetic to a noisy chip",
) -> Figure:
    """Return one bar per rung, e.g. Exact, Quantised, Crossbar; `spread` over seeds as error bars,
    none where it is NaN.

    `label` names quantity and unit, e.g. `force MAE [meV/Å]`.
    """
    figure, (axes,) = panels(width=max(4.0, 0.9 * len(names)))
    colours = [PALETTE[k % len(PALETTE)] for k in range(len(names))]
    shown = axes.bar(names, values, yerr=spread, color=colours, ecolor=INK, capsize=3, width=0.6)
    axes.bar_label(shown, [f"{value:.3g}" for value in values], padding=3, fontsize=8)
    axes.set_ylim(0, 1.15 * float(np.max(np.add(values, np.nan_to_num(spread or 0.0)))))
    axes.set_title(title)
    axes.set_ylabel(label)
    return figure
