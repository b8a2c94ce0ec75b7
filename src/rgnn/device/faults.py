"""Cells that do not do what the others do: stuck, telegraphing, or limited to few levels.

Each function returns new cells; what changes is drawn once, from a generator of its own, so that
the same seed gives the same broken chip whatever else is drawn.
"""

import numpy as np
from jaxtyping import Bool, Float

from rgnn.core.errors import InputError

Cells = Float[np.ndarray, "..."]


def with_stuck_cells(
    cells: Cells, rng: np.random.Generator, *, open_fraction: float, on_fraction: float, on: float
) -> Cells:
    """Return `cells` [µS] of which some are stuck open (0) and some at `on` [µS]."""
    _check_share("the fractions of stuck cells", open_fraction + on_fraction)
    u = rng.random(cells.shape)
    stuck = np.where(u < open_fraction, 0.0, cells)
    return np.where((u >= open_fraction) & (u < open_fraction + on_fraction), on, stuck)


def with_telegraph_noise(
    cells: Cells,
    rng: np.random.Generator,
    *,
    fraction: float,
    amplitude: float,
    spread: float = 0.5,
    duty: float = 0.5,
) -> Cells:
    """Return one snapshot of cells of which some switch between two levels.

    A share `fraction` of the cells has a trap; while it is filled (a share `duty` of the time) the
    conductance is lower by a log-normal relative amplitude of median `amplitude` and log-std
    `spread` (doi 10.1109/TED.2014.2330202: log-normal over cells and cycles). Traps are slow beside
    a read, so all planes of a read see the same snapshot.
    """
    _check_share("fraction", fraction)
    _check_share("duty", duty)
    trapped = (rng.random(cells.shape) < fraction) & (rng.random(cells.shape) < duty)
    drop = np.minimum(amplitude * np.exp(spread * rng.standard_normal(cells.shape)), 1.0)
    return cells * np.where(trapped, 1 - drop, 1.0)


def on_levels(cells: Cells, *, levels: int, low: float, high: float) -> Cells:
    """Return `cells` [µS] moved to the nearest of equally spaced levels from `low` to `high`."""
    if levels < 2 or not high > low >= 0:
        raise InputError(f"levels need at least 2 and 0 ≤ low < high, got {levels}, {low}, {high}")
    step = (high - low) / (levels - 1)
    return low + step * np.rint((np.clip(cells, low, high) - low) / step)


def outliers(cells: Cells, *, tail: float = 1e-3) -> Bool[np.ndarray, "..."]:
    """Return which conducting cells lie above what the bulk can explain: stuck high.

    The bulk's ln G is taken as normal with the median and quartiles observed; a cell is stuck when
    fewer than `tail` cells of the whole map are expected that far out.
    """
    from scipy.stats import norm

    conducting = cells > 0
    log_g = np.log(np.where(conducting, cells, 1.0))
    low, middle, high = np.quantile(log_g[conducting], [0.25, 0.5, 0.75])
    sigma = (high - low) / 1.349
    limit = norm.isf(tail / conducting.sum())
    return conducting & (log_g - middle > limit * sigma)


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise InputError(f"{name} must lie between 0 and 1, got {value}")
