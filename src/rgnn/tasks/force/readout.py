"""From sums over training frames to trained weights with error bars."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from rgnn.core.structure import Frame
from rgnn.readout import ridge
from rgnn.readout.gram import Gram
from rgnn.readout.leave_out import LeftOut, calibrate, leave_out
from rgnn.readout.ridge import Posterior
from rgnn.tasks.force.config import ForceConfig
from rgnn.tasks.force.training import Sums

_SOFTER = (1.0, 0.1, 0.01, 0.001)
"""Factors on all prior precisions tried against frames left out."""

_TIE = 1.02
"""The strongest prior within this factor of the smallest error wins: it extrapolates best."""

_LARGEST_CONSTANT = 100.0
"""Prior standard deviation of the energy per atom of an element about its estimate [eV]."""


@dataclass(frozen=True, eq=False)
class Readout:
    """The trained part: E = Σ_i (w_s(i) · φ_i + offset_s(i)), and how sure it is."""

    weights: Float[np.ndarray, "n_species n_feature"]
    offset: Float[np.ndarray, " n_species"]
    sample_weights: Float[np.ndarray, "k n_species n_feature"]
    """Posterior draws minus `weights`."""
    sample_offset: Float[np.ndarray, "k n_species"]
    spread_scale: float
    """c: the spread of the draws times c is the error bar of what the data leave open."""
    force_noise: Float[np.ndarray, " n_species"]
    """Misfit by element [eV/Å], added in quadrature."""
    energy_noise: float
    """Misfit of the energy per √atom [eV]."""
    summary: dict[str, float]
    """What evidence found: noise, determined parameters, error on frames left out."""


def train(
    sums: Sums,
    frames: Sequence[Frame],
    elements: Sequence[int],
    blocks: Int[np.ndarray, " n_feature"],
    config: ForceConfig,
    *,
    seed: int,
    progress: Callable[[str, int, int], None] | None = None,
) -> Readout:
    """Return the readout whose hyper-parameters maximise the evidence.

    The evidence sets the noise of every kind of label and the relative strength of the priors.
    Their common strength is then released as far as frames left out in closed form ask for it:
    the residual of a finite network is misfit rather than noise, which evidence over-regularises.
    """
    columns = _Columns.of(sums, frames, elements)
    grams = {"forces": columns.force_gram(sums), "energy": columns.energy_gram}
    if sums.virial.count:
        grams["stress"] = columns.virial_gram(sums)
    everything = np.concatenate(
        [np.tile(blocks, len(elements)), np.full(len(elements), blocks.max() + 1)]
    )
    force_scale = np.sqrt(sums.forces.square / sums.forces.count)
    expected = {"forces": 0.03 * force_scale, "energy": 1e-3 * force_scale * columns.root_atoms}
    if "stress" in grams:
        expected["stress"] = 0.05 * np.sqrt(grams["stress"].square / grams["stress"].count)

    def report(done: int, total: int) -> None:
        if progress is not None:
            progress("evidence", done, total + len(_SOFTER))

    posterior = ridge.fit(
        grams,
        everything,
        expected,
        fixed={int(everything.max()): (columns.mean_atoms * _LARGEST_CONSTANT) ** -2},
        config=config.ridge,
        rng=np.random.default_rng([seed, 1]),
        progress=report,
    )
    kept = [(columns.rows(rows), frames[number]) for number, rows in sums.kept.items()]
    posterior, left_out = _soften(grams, posterior, everything, kept, config, report)
    return _finish(posterior, left_out, columns, kept, elements, config, seed)


@dataclass(frozen=True, eq=False)
class _Columns:
    """The columns the solver sees: features in units of their spread, then element counts."""

    scale: Float[np.ndarray, " n"]
    mean: Float[np.ndarray, "n_species n_feature"]
    reference: Float[np.ndarray, " n_species"]
    mean_atoms: float
    energy_gram: Gram

    @staticmethod
    def of(sums: Sums, frames: Sequence[Frame], elements: Sequence[int]) -> "_Columns":
        counts = np.array(
            [[np.sum(f.structure.numbers == z) for z in elements] for f in frames], dtype=float
        )
        total = counts.sum(axis=0)[:, None]
        mean = sums.first / total
        spread = np.sqrt(np.maximum(sums.second / total - mean**2, 0.0))
        alive = spread > 1e-6 * spread.max()
        scale = np.where(alive, 1.0 / np.where(alive, spread, 1.0), 0.0).ravel()
        energies = np.array([f.labels.energy for f in frames], dtype=float)
        reference = np.linalg.lstsq(counts, energies, rcond=None)[0]
        mean_atoms = float(counts.sum(axis=1).mean())
        centred = sums.energy_rows - counts[:, :, None] * mean
        rows = np.concatenate([centred.reshape(len(frames), -1) * scale, counts / mean_atoms], 1)
        gram = Gram.zeros(rows.shape[1])
        gram.add(rows, energies - counts @ reference)
        gram.flush()
        return _Columns(scale, mean, reference, mean_atoms, gram)

    @property
    def root_atoms(self) -> float:
        return float(np.sqrt(self.mean_atoms))

    def force_gram(self, sums: Sums) -> Gram:
        return self._wider(sums.forces)

    def virial_gram(self, sums: Sums) -> Gram:
        return self._wider(sums.virial)

    def _wider(self, gram: Gram) -> Gram:
        """Return the sums in the solver's columns; element counts do not touch derivatives."""
        n, extra = len(self.scale), len(self.reference)
        matrix = np.zeros((n + extra, n + extra))
        np.multiply(gram.matrix, self.scale, out=matrix[:n, :n])
        matrix[:n, :n] *= self.scale[:, None]
        moment = np.concatenate([gram.moment * self.scale, np.zeros(extra)])
        return Gram(matrix, moment, gram.square, gram.count)

    def rows(self, rows: Float[np.ndarray, "k n"]) -> Float[np.ndarray, "k m"]:
        return np.concatenate([rows * self.scale, np.zeros((len(rows), len(self.reference)))], 1)

    def split(
        self, solution: Float[np.ndarray, "*k m"]
    ) -> tuple[Float[np.ndarray, "*k n_species n_feature"], Float[np.ndarray, "*k n_species"]]:
        """Return weights and offsets of the features themselves; the mean is folded in."""
        n = len(self.scale)
        weights = (solution[..., :n] * self.scale).reshape(*solution.shape[:-1], *self.mean.shape)
        constants = solution[..., n:] / self.mean_atoms
        return weights, constants - (weights * self.mean).sum(axis=-1)


_Kept = Sequence[tuple[Float[np.ndarray, "k m"], Frame]]


def _soften(
    grams: dict[str, Gram],
    posterior: Posterior,
    blocks: Int[np.ndarray, " m"],
    kept: _Kept,
    config: ForceConfig,
    report: Callable[[int, int], None],
) -> tuple[Posterior, list[LeftOut]]:
    """Return the posterior under the strongest common prior that left-out frames do not mind."""
    noise = posterior.noise_std
    best, chosen = np.inf, None
    tried = []
    for step, factor in enumerate(_SOFTER if kept else _SOFTER[:1]):
        alpha = posterior.prior_precision * factor
        alpha[-1] = posterior.prior_precision[-1]
        candidate = ridge.solve(grams, noise, alpha, blocks)
        found = [_left_out(candidate, rows, frame) for rows, frame in kept]
        error = _rms([f.error for f in found])
        report(config.ridge.iterations + step + 1, config.ridge.iterations)
        tried.append((error, candidate, found))
        if error > best:
            break
        best = error
    chosen = next((c, f) for error, c, f in tried if error <= _TIE * best)
    return chosen


def _left_out(posterior: Posterior, rows: Float[np.ndarray, "k m"], frame: Frame) -> LeftOut:
    forces = frame.labels.forces
    assert forces is not None  # frames without forces never get this far
    return leave_out(posterior, rows, forces.ravel(), posterior.noise_std["forces"])


def _finish(
    posterior: Posterior,
    left_out: Sequence[LeftOut],
    columns: _Columns,
    kept: _Kept,
    elements: Sequence[int],
    config: ForceConfig,
    seed: int,
) -> Readout:
    weights, offset = columns.split(posterior.weights)
    draws = posterior.samples(config.uncertainty.samples, np.random.default_rng([seed, 2]))
    sample_weights, sample_offset = columns.split(draws - posterior.weights)
    noise = np.full(len(elements), posterior.noise_std["forces"])
    scale = 1.0
    if kept:
        groups = np.concatenate(
            [np.repeat(np.searchsorted(elements, f.structure.numbers), 3) for _, f in kept]
        )
        both = LeftOut(*(np.concatenate(parts) for parts in zip(*left_out, strict=True)))
        scale, noise = calibrate(both, groups, len(elements))
    summary = {f"noise_{kind}": float(std) for kind, std in posterior.noise_std.items()}
    summary |= {f"determined_{kind}": float(g) for kind, g in posterior.determined.items()}
    summary["left_out_force_rmse"] = _rms([f.error for f in left_out])
    return Readout(
        weights,
        offset + columns.reference,
        sample_weights.astype(np.float32),
        sample_offset,
        scale,
        noise,
        posterior.noise_std["energy"] / columns.root_atoms,
        summary,
    )


def _rms(parts: Sequence[np.ndarray]) -> float:
    return float(np.sqrt(np.mean(np.concatenate(parts) ** 2))) if len(parts) else float("nan")
