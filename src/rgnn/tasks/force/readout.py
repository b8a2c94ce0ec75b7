"""From sums over training frames to trained weights with error bars."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from rgnn.core.structure import Frame
from rgnn.readout import ridge
from rgnn.readout.gram import Gram
from rgnn.readout.leave_out import LeftOut, calibrate, leave_out
from rgnn.readout.ridge import Posterior
from rgnn.tasks.force.columns import Columns, expected_noise
from rgnn.tasks.force.config import ForceConfig
from rgnn.tasks.force.training import Sums

_STEP = 10.0
"""Factor between the common strengths of the priors tried against frames left out."""

_FURTHEST = 4
"""Most steps away from what evidence says."""

_TIE = 1.02
"""The strongest prior within this factor of the smallest error wins: it extrapolates best."""

_PRIOR_FACTOR_STD = 0.5
"""Prior standard deviation of the factor on the prior readout about 1."""

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
    groups: Mapping[int, int],
    blocks: Int[np.ndarray, " n_feature"],
    config: ForceConfig,
    *,
    prior: Readout | None = None,
    seed: int,
    progress: Callable[[str, int, int], None] | None = None,
) -> Readout:
    """Return the readout whose hyper-parameters maximise the evidence.

    With a `prior` its weights are the prior mean: what is learnt is the difference to them, and
    one factor on them, so that labels of a cheaper method carry over to few of a better one.

    The evidence sets the noise of every kind of label and the relative strength of the priors.
    Their common strength is then moved to where groups of frames left out in closed form are
    predicted best: evidence takes the misfit of a finite network for noise and regularises too
    much, and takes frames of one trajectory for independent and regularises too little.
    """
    columns = Columns.of(
        sums,
        frames,
        elements,
        None if prior is None else prior.weights,
        together=blocks if config.reservoir.family == "complete" else None,
    )
    grams = {"forces": columns.gram(sums.forces), "energy": columns.energy_gram}
    if sums.virial.count:
        grams["stress"] = columns.gram(sums.virial)
    everything = np.concatenate(
        [
            np.tile(blocks, len(elements)),
            np.full(columns.n_prior, blocks.max() + 1),
            np.full(columns.n_constant, blocks.max() + 1 + columns.n_prior),
        ]
    )
    expected = expected_noise(sums, columns)

    def report(done: int, total: int) -> None:
        if progress is not None:
            progress("evidence", done, total)

    fixed = {int(everything.max()): (columns.mean_atoms * _LARGEST_CONSTANT) ** -2}
    if columns.n_prior:
        fixed[int(everything.max()) - 1] = _PRIOR_FACTOR_STD**-2
    posterior = ridge.fit(
        grams,
        everything,
        expected,
        fixed=fixed,
        config=config.ridge,
        rng=np.random.default_rng([seed, 1]),
        progress=report,
    )
    kept = _gather(columns, sums, frames, elements, groups)
    posterior, left_out = _tune(grams, posterior, everything, list(fixed), kept)
    return _finish(posterior, left_out, columns, kept, len(elements), config, seed)


@dataclass(frozen=True, eq=False)
class _Group:
    """Force rows of frames that are left out together, all reads of them."""

    rows: Float[np.ndarray, "k m"]
    targets: Float[np.ndarray, " k"]
    element: Int[np.ndarray, " k"]
    reads: int
    """Reads of a frame; a row of one of them counts as so much less than one."""


def _gather(
    columns: Columns,
    sums: Sums,
    frames: Sequence[Frame],
    elements: Sequence[int],
    groups: Mapping[int, int],
) -> list[_Group]:
    """Return the kept rows, group by group, in the solver's columns."""
    result = []
    for group in sorted(set(groups.values())):
        members = [frame for frame, own in groups.items() if own == group]
        rows = np.concatenate([sums.kept[frame] for frame in members]).astype(np.float64)
        reads = len(rows) // sum(3 * len(frames[frame]) for frame in members)
        forces = [np.tile(_forces(frames[frame]), reads) for frame in members]
        numbers = [np.tile(frames[frame].structure.numbers, reads) for frame in members]
        element = np.repeat(np.searchsorted(elements, np.concatenate(numbers)), 3)
        scaled = columns.rows(rows)
        targets = np.concatenate(forces) - columns.prior_part(scaled)
        result.append(_Group(scaled, targets, element, reads))
    return result


def _forces(frame: Frame) -> Float[np.ndarray, " k"]:
    forces = frame.labels.forces
    assert forces is not None  # frames without forces never get this far
    return forces.ravel()


def _tune(
    grams: dict[str, Gram],
    posterior: Posterior,
    blocks: Int[np.ndarray, " m"],
    fixed: Sequence[int],
    kept: Sequence[_Group],
) -> tuple[Posterior, list[LeftOut]]:
    """Return the posterior under the common prior strength that predicts left-out groups best.

    Walks from the evidence's strength in the direction that helps; the strongest prior within a
    tie wins, because it extrapolates best.
    """

    noise = posterior.noise_std["forces"]

    def judged(candidate: Posterior) -> tuple[float, Posterior, list[LeftOut]]:
        found = [
            leave_out(candidate, group.rows, group.targets, noise * np.sqrt(group.reads))
            for group in kept
        ]
        return _rms([f.error for f in found]), candidate, found

    best = judged(posterior)
    if not kept:
        return best[1:]
    lowest, space = best[0], np.empty_like(posterior.factor.T)
    for direction, accepted in ((1, _TIE), (-1, 1 / _TIE)):
        moved = False
        for distance in range(1, _FURTHEST + 1):
            alpha = posterior.prior_precision * _STEP ** (direction * distance)
            alpha[fixed] = posterior.prior_precision[fixed]
            candidate = ridge.solve(grams, posterior.noise_std, alpha, blocks, space=space)
            trial = judged(replace(candidate, determined=posterior.determined))
            if trial[0] > accepted * lowest:
                break
            space = best[1].factor.T
            best, lowest, moved = trial, min(lowest, trial[0]), True
        if moved:
            break
    return best[1:]


def _finish(
    posterior: Posterior,
    left_out: Sequence[LeftOut],
    columns: Columns,
    kept: Sequence[_Group],
    n_species: int,
    config: ForceConfig,
    seed: int,
) -> Readout:
    weights, offset = columns.split(posterior.weights, absolute=True)
    draws = posterior.samples(config.uncertainty.samples, np.random.default_rng([seed, 2]))
    sample_weights, sample_offset = columns.split(draws - posterior.weights, absolute=False)
    noise = np.full(n_species, posterior.noise_std["forces"])
    scale = 1.0
    if kept:
        both = LeftOut(*(np.concatenate(parts) for parts in zip(*left_out, strict=True)))
        scale, noise = calibrate(both, np.concatenate([g.element for g in kept]), n_species)
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
