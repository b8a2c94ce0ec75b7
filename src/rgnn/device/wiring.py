"""How signed weights were formed from cells: told from the weights alone.

Weights made of disjoint cells are uncorrelated. Where neighbouring weights share a cell,
w_k = g_{k+1} − g_k, the cell enters both with opposite signs, so that neighbours along that axis
correlate with exactly −1/2 and second neighbours not at all, whatever the cells' distribution.
Summing the differences back gives the cells, up to one constant per line.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from rgnn.core.errors import InputError

Matrix = Float[np.ndarray, "n_row n_column"]


@dataclass(frozen=True)
class Formation:
    """What the autocorrelation of a matrix says; `z` is the distance from the other answer."""

    kind: Literal["independent", "shared"]
    axis: int
    """Along which neighbours share a cell, or would."""
    lag_1: tuple[float, float]
    """Correlation of neighbours along axis 0 and axis 1."""
    lag_2: tuple[float, float]
    z: float


def detect(weights: Matrix) -> Formation:
    """Return how `weights` were formed; a lag-1 correlation below −1/4 means shared cells."""
    lag_1 = (_correlation(weights, 0, 1), _correlation(weights, 1, 1))
    lag_2 = (_correlation(weights, 0, 2), _correlation(weights, 1, 2))
    axis = int(np.argmin(lag_1))
    shared = lag_1[axis] < -0.25
    distance = lag_1[axis] if shared else lag_1[axis] + 0.5
    return Formation(
        "shared" if shared else "independent",
        axis,
        lag_1,
        lag_2,
        abs(distance) * np.sqrt(weights.size),
    )


def cells_of(weights: Matrix, *, axis: int | None = None) -> Float[np.ndarray, "n_line n_cell"]:
    """Return cells with `cells[:, 1:] − cells[:, :-1]` equal to the weights along `axis`.

    The constant that each line leaves open is set so that all lines have the same mean (of cells
    that are not stuck), the common one by `zero_of`. `axis` is detected where not given.
    """
    if axis is None:
        formation = detect(weights)
        if formation.kind != "shared":
            raise InputError(
                "these weights share no cells: neighbours correlate with "
                f"{formation.lag_1[0]:.2f} (down) and {formation.lag_1[1]:.2f} (across), not −0.5; "
                "give the axis if you know that they do"
            )
        axis = formation.axis
    cells = summed(weights, axis=axis)
    return cells + zero_of(cells)


def summed(weights: Matrix, *, axis: int) -> Float[np.ndarray, "n_line n_cell"]:
    """Return the cells behind differences, relative to the mean of their line.

    Cells beyond 4 standard deviations do not count in the mean. (The median would be one of the
    cells itself and put a spike into their distribution.)
    """
    lines = weights if axis == 1 else weights.T
    cells = np.concatenate([np.zeros((len(lines), 1)), np.cumsum(lines, axis=1)], axis=1)
    cells -= np.median(cells, axis=1, keepdims=True)
    deviation = 1.4826 * np.median(np.abs(cells))
    regular = np.abs(cells) <= 4 * deviation
    return cells - np.mean(cells, axis=1, keepdims=True, where=regular)


def zero_of(cells: Float[np.ndarray, "n_line n_cell"]) -> float:
    """Return what to add so that cells are positive and as skewed as log-normal ones.

    Differences do not know it, but a cell's read noise depends on its conductance. A log-normal
    variable of relative spread c has skewness c³ + 3c, which gives the mean std/c.
    """
    low, high = np.quantile(cells, [0.001, 0.999])
    bulk = cells[(cells >= low) & (cells <= high)]
    mean, std = float(bulk.mean()), float(bulk.std())
    skewness = float((((bulk - mean) / std) ** 3).mean())
    spread = float(np.roots([1.0, 0.0, 3.0, -max(skewness, 0.1)])[-1].real)
    smallest = -float(cells.min()) + 1e-3 * std
    return max(std / spread - mean, smallest)


def _correlation(weights: Matrix, axis: int, lag: int) -> float:
    """Return the correlation of entries `lag` apart along `axis`."""
    lines = np.moveaxis(weights - weights.mean(), axis, 0)
    if len(lines) <= lag:
        return 0.0
    power = float((lines**2).mean())
    return float((lines[lag:] * lines[:-lag]).mean()) / power if power else 0.0
