"""Bayesian ridge in closed form, with its hyper-parameters set by the evidence.

Targets of several kinds k (energies, forces, stress) share weights w:

    y_k = X_k w + ε_k,  ε_k ~ N(0, 1/β_k),   w_j ~ N(0, 1/α_block(j)).

The posterior precision is A = Σ_k β_k X_kᵀX_k + diag(α); mean and evidence need only the Gram
matrices. α and β follow MacKay's fixed point (Neural Computation 4, 415 (1992),
doi 10.1162/neco.1992.4.3.415): α_b = γ_b / |w_b|², β_k = (n_k − γ_k) / residual_k, where γ counts
the parameters the data determine. The traces in γ are estimated with random probes, so that one
iteration costs one Cholesky factorisation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import LinAlgError, cho_solve, cholesky, solve_triangular

from rgnn.readout.gram import Gram, multiply_lower

_ROWS = 256
"""Rows of the normal equations added up at a time, so that they stay in cache."""

_HYPERPRIOR_ROWS = 20.0
"""How many rows the expected noise of a kind is worth."""


@dataclass(frozen=True)
class RidgeConfig:
    """How the evidence is maximised."""

    iterations: int = 4
    """Most fixed-point iterations; each is one factorisation."""
    tolerance: float = 0.05
    """Stop when no hyper-parameter changes by more than this fraction."""
    probes: int = 24
    """Random vectors per trace."""
    weakest_prior: float = 1e-11
    """Smallest prior precision relative to the data's mean precision, for a stable Cholesky."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """Weights with their uncertainty, and the hyper-parameters that led to them."""

    weights: Float[np.ndarray, " n"]
    prior_precision: Float[np.ndarray, " n_block"]
    noise_std: dict[str, float]
    determined: dict[str, float]
    """Parameters determined by each kind of target (γ_k)."""
    factor: Float[np.ndarray, "n n"]
    """Cholesky factor U of the posterior precision, A = UᵀU, upper triangle."""

    def samples(self, count: int, rng: np.random.Generator) -> Float[np.ndarray, "count n"]:
        """Return weight vectors drawn from the posterior, w + U⁻¹ z."""
        noise = rng.standard_normal((len(self.weights), count))
        return self.weights + solve_triangular(self.factor, noise, check_finite=False).T

    def whitened(self, vectors: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
        """Return U⁻ᵀ v: its inner products are those of v under the covariance, vᵀ A⁻¹ v."""
        return solve_triangular(self.factor, vectors, trans=1, check_finite=False)


class IllConditioned(ArithmeticError):
    """The normal equations lost positive definiteness."""


def fit(
    grams: Mapping[str, Gram],
    blocks: Int[np.ndarray, " n"],
    expected_std: Mapping[str, float],
    *,
    fixed: Mapping[int, float] | None = None,
    config: RidgeConfig,
    rng: np.random.Generator,
    progress: Callable[[int, int], None] | None = None,
) -> Posterior:
    """Return the posterior of the weights for columns that share priors by `blocks`.

    `expected_std` starts the noise of every kind and acts as a weak hyper-prior worth a few rows,
    so that a kind with fewer rows than weights stays determined. `fixed` gives the prior
    precision of blocks that are not to be inferred.
    """
    n_block = int(blocks.max()) + 1
    size = np.bincount(blocks, minlength=n_block).astype(float)
    beta = {k: expected_std[k] ** -2 for k in grams}
    alpha = np.full(n_block, 1e3 * config.weakest_prior * _mean_precision(grams, beta))
    fixed = {} if fixed is None else dict(fixed)
    alpha[list(fixed)] = list(fixed.values())
    probes = rng.choice([-1.0, 1.0], size=(len(blocks), config.probes))
    space = np.empty((len(blocks), len(blocks)))
    for step in range(config.iterations):
        noise = {kind: precision**-0.5 for kind, precision in beta.items()}
        posterior = solve(grams, noise, alpha, blocks, space=space)
        quality = _judge(grams, posterior, blocks, probes)
        if progress is not None:
            progress(step + 1, config.iterations)
        last = alpha, beta
        alpha, beta = _update(grams, posterior, quality, last, blocks, size, expected_std)
        floor = config.weakest_prior * _mean_precision(grams, beta)
        alpha = np.maximum(alpha, floor)
        alpha[list(fixed)] = list(fixed.values())
        if step == config.iterations - 1 or _change(last, (alpha, beta)) < config.tolerance:
            return replace(posterior, determined=quality.determined)
    raise ValueError("at least one iteration is needed")


@dataclass(frozen=True)
class _Quality:
    prior_trace: Float[np.ndarray, " n_block"]
    determined: dict[str, float]
    residual: dict[str, float]


def solve(
    grams: Mapping[str, Gram],
    noise_std: Mapping[str, float],
    prior_precision: Float[np.ndarray, " n_block"],
    blocks: Int[np.ndarray, " n"],
    *,
    space: Float[np.ndarray, "n n"] | None = None,
) -> Posterior:
    """Return the posterior for given hyper-parameters: one Cholesky factorisation.

    It is built in `space` where some is given; fresh memory costs as much as a third of the work.
    """
    precision = np.empty((len(blocks), len(blocks))) if space is None else space
    moment = np.zeros(len(blocks))
    for kind, gram in grams.items():
        moment += noise_std[kind] ** -2 * gram.moment
    for start in range(0, len(blocks), _ROWS):
        rows, columns = slice(start, start + _ROWS), slice(0, start + _ROWS)
        precision[rows, columns] = sum(
            noise_std[kind] ** -2 * gram.matrix[rows, columns] for kind, gram in grams.items()
        )
    precision[np.diag_indices_from(precision)] += prior_precision[blocks]
    try:
        # The transpose is in Fortran order, so the factorisation happens in place.
        factor = cholesky(precision.T, lower=False, overwrite_a=True, check_finite=False)
    except LinAlgError as error:
        raise IllConditioned(
            f"the normal equations are not positive definite ({error}); raise weakest_prior or "
            "check the labels for outliers"
        ) from error
    weights = cho_solve((factor, False), moment, check_finite=False)
    return Posterior(weights, prior_precision, dict(noise_std), {}, factor)


def _judge(
    grams: Mapping[str, Gram],
    posterior: Posterior,
    blocks: Int[np.ndarray, " n"],
    probes: Float[np.ndarray, "n k"],
) -> _Quality:
    """Return residuals and the traces that count determined parameters."""
    # v = U⁻¹ z has covariance A⁻¹, so vᵀ G v estimates tr(A⁻¹ G), eigenvalues within [0, 1/β].
    spread = solve_triangular(posterior.factor, probes, check_finite=False)
    k = probes.shape[1]
    n_block = len(posterior.prior_precision)
    trace = np.bincount(blocks, np.square(spread).sum(1), minlength=n_block) / k
    determined, residual = {}, {}
    for kind, gram in grams.items():
        product = multiply_lower(gram.matrix, np.column_stack([posterior.weights, spread]))
        share = float((spread * product[:, 1:]).sum()) / k
        determined[kind] = min(share * posterior.noise_std[kind] ** -2, gram.count)
        change = posterior.weights @ product[:, 0] - 2 * posterior.weights @ gram.moment
        residual[kind] = max(gram.square + float(change), 1e-12 * gram.square)
    return _Quality(trace, determined, residual)


def _update(
    grams: Mapping[str, Gram],
    posterior: Posterior,
    quality: _Quality,
    last: tuple[Float[np.ndarray, " n_block"], Mapping[str, float]],
    blocks: Int[np.ndarray, " n"],
    size: Float[np.ndarray, " n_block"],
    expected_std: Mapping[str, float],
) -> tuple[Float[np.ndarray, " n_block"], dict[str, float]]:
    alpha, _ = last
    norm = np.bincount(blocks, posterior.weights**2, minlength=len(alpha))
    determined = np.clip(size - alpha * quality.prior_trace, 1e-3 * size, size)
    beta = {}
    for kind, gram in grams.items():
        free = max(gram.count - quality.determined[kind], 0.0)
        pseudo = min(0.1 * gram.count, _HYPERPRIOR_ROWS)
        beta[kind] = (free + pseudo) / (quality.residual[kind] + pseudo * expected_std[kind] ** 2)
    return determined / np.maximum(norm, 1e-300), beta


def _mean_precision(grams: Mapping[str, Gram], beta: Mapping[str, float]) -> float:
    return float(sum(beta[k] * np.mean(np.diagonal(g.matrix)) for k, g in grams.items()))


def _change(
    old: tuple[Float[np.ndarray, " n_block"], Mapping[str, float]],
    new: tuple[Float[np.ndarray, " n_block"], Mapping[str, float]],
) -> float:
    moves = [np.abs(np.log(new[0] / old[0])).max()]
    moves += [abs(float(np.log(new[1][k] / old[1][k]))) for k in old[1]]
    return float(max(moves))
