"""How much a cell's conductance fluctuates from one read to the next."""

from dataclasses import dataclass

import numpy as np
import scipy.optimize
import scipy.stats
from jaxtyping import Bool, Float


@dataclass(frozen=True)
class ReadNoise:
    """Standard deviation of one read, σ(G)² = (relative · G)² + additive².

    Independent and Gaussian from cell to cell and from read to read. `relative` has no unit,
    `additive` is in µS.
    """

    relative: float = 0.0
    additive: float = 0.0

    def std(self, conductance: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Return σ(G) [µS] for `conductance` [µS]."""
        return np.sqrt((self.relative * conductance) ** 2 + self.additive**2)


def fit(reads: Float[np.ndarray, "n_read *cell"]) -> ReadNoise:
    """Return the most likely σ(G) behind repeated reads of the same cells [µS].

    The sample variance of n reads of one cell is σ² χ²/(n−1); the likelihood of all cells is
    maximised over (relative, additive). Cells that telegraph are kept out by `steady`.
    """
    n_read = len(reads)
    cells = reads.reshape(n_read, -1)
    cells = cells[:, steady(cells)]
    mean, variance = cells.mean(0), cells.var(0, ddof=1)
    observed = variance > 0
    mean, variance = mean[observed], variance[observed]
    if not mean.size:
        return ReadNoise()

    def negative_log_likelihood(log_parameters: Float[np.ndarray, " 2"]) -> float:
        relative, additive = np.exp(log_parameters)
        model = (relative * mean) ** 2 + additive**2
        return float((np.log(model) + variance / model).sum())

    typical = np.sqrt(np.median(variance))
    starts = [
        (typical / np.median(mean), typical * 1e-2),
        (1e-2 * typical / np.median(mean), typical),
    ]
    best = min(
        (
            scipy.optimize.minimize(negative_log_likelihood, np.log(start), method="Nelder-Mead")
            for start in starts
        ),
        key=lambda result: result.fun,
    )
    relative, additive = np.exp(best.x)
    return ReadNoise(float(relative), float(additive))


def steady(
    reads: Float[np.ndarray, "n_read n_cell"], *, chance: float = 1e-6
) -> Bool[np.ndarray, " n_cell"]:
    """Return which cells do not telegraph.

    Two-level switching shows as a relative variance far above the median of all conducting cells:
    so far that the χ² of a steady cell would exceed it with a probability of `chance` only.
    """
    mean = np.abs(reads.mean(0))
    relative = reads.var(0, ddof=1) / np.where(mean > 0, mean, 1) ** 2
    conducting = mean > 0.1 * np.median(mean[mean > 0]) if (mean > 0).any() else mean > 0
    if not conducting.any():
        return np.ones(mean.shape, bool)
    law = scipy.stats.chi2(len(reads) - 1)
    limit = np.median(relative[conducting]) * law.isf(chance) / law.median()
    # Additive noise weighs more in weak cells: their variance relative to G² may be larger.
    typical = np.median(mean[conducting])
    return ~conducting | (relative * np.minimum(mean / typical, 1) ** 2 <= limit)
