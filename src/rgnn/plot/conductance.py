"""What the chip holds: its conductances, and the frozen weights they make."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from rgnn.plot.style import PALETTE, panels, styled


@styled
def histogram(
    cells: Float[np.ndarray, "*shape"], weights: Float[np.ndarray, " n_weight"] | None = None
) -> Figure:
    """Return the distribution of cell conductances [µS] and of the signed `weights` in use."""
    figure, axes = panels(1 if weights is None else 2)
    conducting = cells[cells > 0]
    top = float(np.quantile(conducting, 0.999)) if conducting.size else 1.0
    axes[0].hist(np.minimum(conducting, top), 80, color=PALETTE[0])
    axes[0].set_title(f"{cells.size:,} cells, {conducting.size / cells.size:.0%} conducting")
    axes[0].set_xlabel("conductance [µS]")
    axes[0].set_ylabel("cells")
    if weights is not None:
        axes[1].hist(weights, 80, color=PALETTE[1])
        axes[1].set_title(f"{weights.size:,} frozen weights in use")
        axes[1].set_xlabel("weight [standard deviations]")
        axes[1].set_ylabel("weights")
    return figure


@styled
def map_of(cells: Float[np.ndarray, "n_row n_column"]) -> Figure:
    """Return the conductance map [µS] of one macro."""
    figure, (axes,) = panels(width=4.6)
    top = float(np.quantile(cells, 0.999)) or 1.0
    image = axes.imshow(cells, vmin=0, vmax=top, cmap="cividis", rasterized=True)
    figure.colorbar(image, ax=axes, label="conductance [µS]", shrink=0.9)
    axes.set_title("Conductance map")
    axes.set_xlabel("bit line")
    axes.set_ylabel("word line")
    return figure
