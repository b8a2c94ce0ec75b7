"""The columns the solver sees, and what is expected of the labels before anything is fitted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from rgnn.core.structure import Frame
from rgnn.readout.gram import Gram, multiply_lower
from rgnn.tasks.force.training import Sums

_DISTINCT = 1e-6
"""Singular value of the compositions, relative to the largest, below which they are the same."""

_ROWS = 256
"""Rows of a Gram matrix scaled at a time, so that they stay in cache."""


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns the solver sees: features in units of their spread, the prior readout's
    prediction where there is one, element counts. Targets are differences to that prediction."""

    scale: Float[np.ndarray, " n"]
    mean: Float[np.ndarray, "n_species n_feature"]
    prior: Float[np.ndarray, "n n_prior"]
    """The prior readout in these columns: none or one."""
    reference: Float[np.ndarray, " n_species"]
    compositions: Float[np.ndarray, "n_species n_constant"]
    """Directions in which the numbers of atoms of the elements differ between frames: frames of
    one composition tell only the sum of their elements' constants."""
    mean_atoms: float
    energy_gram: Gram

    @staticmethod
    def of(
        sums: Sums,
        frames: Sequence[Frame],
        elements: Sequence[int],
        prior: Float[np.ndarray, "n_species n_feature"] | None,
        together: Int[np.ndarray, " n_feature"] | None = None,
    ) -> "Columns":
        """Return the columns for these sums; `prior` holds the weights of a prior readout.

        Features that are `together` in a block share one unit, so that their sizes relative to one
        another stay a prior; by default every feature is measured in its own spread.
        """
        counts = np.array(
            [[np.sum(f.structure.numbers == z) for z in elements] for f in frames], dtype=float
        )
        total = np.maximum(counts.sum(axis=0), 1)[:, None]
        mean = sums.first / total
        spread = np.sqrt(np.maximum(sums.second / total - mean**2, 0.0))
        alive = spread > 1e-6 * spread.max()
        if together is not None:
            spread = _shared(spread, together)
        spread = np.where(alive, spread, 0.0).ravel()
        scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
        start = np.zeros((scale.size, 0))
        if prior is not None:
            start = (prior.ravel() * spread)[:, None]
        features = (sums.energy_rows - counts[:, :, None] * mean).reshape(len(frames), -1) * scale
        energies = np.array([f.labels.energy for f in frames], dtype=float)
        energies = energies - (features @ start).sum(axis=1)
        reference = np.linalg.lstsq(counts, energies, rcond=None)[0]
        mean_atoms = float(counts.sum(axis=1).mean())
        _, size, directions = np.linalg.svd(counts / mean_atoms, full_matrices=False)
        compositions = directions[size > _DISTINCT * size.max()].T
        constants = counts @ compositions / mean_atoms
        rows = np.concatenate([features, features @ start, constants], axis=1)
        gram = Gram.zeros(rows.shape[1])
        gram.add(rows, energies - counts @ reference)
        gram.flush()
        return Columns(scale, mean, start, reference, compositions, mean_atoms, gram)

    @property
    def n_constant(self) -> int:
        """Return how many constants the compositions of the frames determine."""
        return self.compositions.shape[1]

    @property
    def n_prior(self) -> int:
        """Return how many prior readouts there are: none or one."""
        return self.prior.shape[1]

    @property
    def root_atoms(self) -> float:
        """Return the root of the mean number of atoms in a frame."""
        return float(np.sqrt(self.mean_atoms))

    def gram(self, gram: Gram) -> Gram:
        """Return the sums of derivative rows in the solver's columns; counts do not touch them."""
        n = len(self.scale)
        size = n + self.n_prior + self.n_constant
        matrix, moment, square = np.zeros((size, size)), np.zeros(size), gram.square
        for start in range(0, n, _ROWS):
            rows, columns = slice(start, min(start + _ROWS, n)), slice(0, min(start + _ROWS, n))
            scale = self.scale[rows, None] * self.scale[columns]
            np.multiply(gram.matrix[rows, columns], scale, out=matrix[rows, columns])
        moment[:n] = gram.moment * self.scale
        for k, w in enumerate(self.prior.T, start=n):
            product = multiply_lower(matrix[:n, :n], w[:, None])[:, 0]
            matrix[k, :n], matrix[k, k] = product, w @ product
            square += float(w @ product - 2 * w @ moment[:n])
            moment[k] = w @ (moment[:n] - product)
            moment[:n] -= product
        return Gram(matrix, moment, max(square, 0.0), gram.count)

    def rows(self, rows: Float[np.ndarray, "k n"]) -> Float[np.ndarray, "k m"]:
        """Return derivative rows in the solver's columns."""
        scaled = rows * self.scale
        constants = np.zeros((len(rows), self.n_constant))
        return np.concatenate([scaled, scaled @ self.prior, constants], axis=1)

    def prior_part(self, rows: Float[np.ndarray, "k m"]) -> Float[np.ndarray, " k"]:
        """Return what the prior readout predicts for rows in the solver's columns."""
        n = len(self.scale)
        return rows[:, n : n + self.n_prior].sum(axis=1)

    def split(
        self, solution: Float[np.ndarray, "*k m"], *, absolute: bool
    ) -> tuple[Float[np.ndarray, "*k n_species n_feature"], Float[np.ndarray, "*k n_species"]]:
        """Return weights and offsets of the features themselves; the mean is folded in.

        An `absolute` solution is counted from the prior, a difference of solutions is not.
        """
        n = len(self.scale)
        factor = solution[..., n : n + self.n_prior] + (1.0 if absolute else 0.0)
        flat = (solution[..., :n] + factor @ self.prior.T) * self.scale
        weights = flat.reshape(*solution.shape[:-1], *self.mean.shape)
        constants = solution[..., n + self.n_prior :] @ self.compositions.T / self.mean_atoms
        return weights, constants - (weights * self.mean).sum(axis=-1)


def _shared(
    spread: Float[np.ndarray, "n_species n_feature"], block: Int[np.ndarray, " n_feature"]
) -> Float[np.ndarray, "n_species n_feature"]:
    """Return the root mean square over the block of every feature."""
    count = np.bincount(block)
    squares = np.stack([np.bincount(block, own**2) for own in spread])
    return np.sqrt(squares / np.maximum(count, 1))[:, block]


def expected_noise(sums: Sums, columns: Columns) -> dict[str, float]:
    """Return the noise of every kind of label that the evidence starts from."""
    force_scale = float(np.sqrt(sums.forces.square / sums.forces.count))
    expected = {"forces": 0.03 * force_scale, "energy": 1e-3 * force_scale * columns.root_atoms}
    if sums.virial.count:
        expected["stress"] = 0.05 * float(np.sqrt(sums.virial.square / sums.virial.count))
    return expected
