import numpy as np
import pytest

from rgnn.readout import ridge
from rgnn.readout.gram import Gram, multiply_lower
from rgnn.readout.leave_out import LeftOut, calibrate, leave_out


def _gram(rows, targets):
    gram = Gram.zeros(rows.shape[1])
    gram.add(rows, targets)
    gram.flush()
    return gram


def test_gram_streams_to_the_same_sums():
    rng = np.random.default_rng(0)
    rows, targets = rng.normal(size=(5000, 37)), rng.normal(size=5000)
    streamed = Gram.zeros(37)
    for part in np.array_split(np.arange(5000), 23):
        streamed.add(rows[part], targets[part])
    streamed.flush()
    assert np.tril(streamed.matrix) == pytest.approx(np.tril(rows.T @ rows), rel=1e-12)
    assert streamed.moment == pytest.approx(rows.T @ targets, rel=1e-10)
    assert (streamed.count, streamed.square) == (5000, pytest.approx(targets @ targets))


def test_weighted_rows_count_as_often_as_they_weigh():
    rng = np.random.default_rng(1)
    rows, targets = rng.normal(size=(10, 3)), rng.normal(size=10)
    halves, whole = Gram.zeros(3), _gram(rows, targets)
    for _ in range(2):
        halves.add(rows, targets, 0.5)
    halves.flush()
    assert np.tril(halves.matrix) == pytest.approx(np.tril(whole.matrix))
    assert halves.count == whole.count


def test_lower_triangle_multiplies_as_the_symmetric_matrix():
    rng = np.random.default_rng(2)
    full = rng.normal(size=(2100, 2100))
    full += full.T
    vectors = rng.normal(size=(2100, 2))
    lower = np.tril(full) + np.triu(rng.normal(size=full.shape), 1)  # rubbish above
    assert multiply_lower(lower, vectors) == pytest.approx(full @ vectors, abs=1e-9)


def test_solution_is_the_ridge_solution():
    rng = np.random.default_rng(3)
    rows, targets = rng.normal(size=(200, 12)), rng.normal(size=200)
    alpha, sigma = 0.7, 0.3
    posterior = ridge.solve(
        {"y": _gram(rows, targets)}, {"y": sigma}, np.array([alpha]), np.zeros(12, int)
    )
    stacked = np.concatenate([rows / sigma, np.sqrt(alpha) * np.eye(12)])
    expected = np.linalg.lstsq(stacked, np.concatenate([targets / sigma, np.zeros(12)]))[0]
    assert posterior.weights == pytest.approx(expected, rel=1e-10)
    covariance = np.linalg.inv(stacked.T @ stacked)
    half = posterior.whitened(np.eye(12))
    assert half.T @ half == pytest.approx(covariance, rel=1e-9)


def test_evidence_finds_noise_and_prior_of_data_drawn_from_the_model():
    """10 % is four standard errors of σ for 3000 rows and of the prior for 200 weights."""
    rng = np.random.default_rng(4)
    blocks = np.repeat([0, 1], 200)
    weights = rng.normal(size=400) * np.where(blocks, 0.1, 2.0)
    rows = rng.normal(size=(3000, 400))
    grams = {
        "a": _gram(rows, rows @ weights + 0.5 * rng.normal(size=3000)),
        "b": _gram(rows[:1000], rows[:1000] @ weights + 2.0 * rng.normal(size=1000)),
    }
    found = ridge.fit(
        grams,
        blocks,
        {"a": 1.0, "b": 1.0},
        config=ridge.RidgeConfig(iterations=30, tolerance=1e-3),
        rng=np.random.default_rng(0),
    )
    assert found.noise_std["a"] == pytest.approx(0.5, rel=0.1)
    assert found.noise_std["b"] == pytest.approx(2.0, rel=0.1)
    assert found.prior_precision[0] ** -0.5 == pytest.approx(2.0, rel=0.2)
    assert found.prior_precision[1] ** -0.5 == pytest.approx(0.1, rel=0.2)


def test_posterior_samples_have_the_posterior_covariance():
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(50, 4))
    posterior = ridge.solve(
        {"y": _gram(rows, rows.sum(1))}, {"y": 0.4}, np.array([1.0]), np.zeros(4, int)
    )
    draws = posterior.samples(40_000, np.random.default_rng(0)) - posterior.weights
    half = posterior.whitened(np.eye(4))
    expected = half.T @ half
    error = np.cov(draws.T) - expected
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)) * 2 / 40_000)
    assert np.abs(error / scale).max() < 4


def test_broken_normal_equations_say_so():
    gram = Gram(-np.eye(3), np.zeros(3), 1.0, 3.0)
    with pytest.raises(ridge.IllConditioned, match="positive definite"):
        ridge.solve({"y": gram}, {"y": 1.0}, np.array([1e-9]), np.zeros(3, int))


def test_leaving_out_in_closed_form_equals_fitting_without():
    rng = np.random.default_rng(6)
    rows, targets = rng.normal(size=(60, 8)), rng.normal(size=60)
    alpha, blocks = np.array([0.3]), np.zeros(8, int)
    whole = ridge.solve({"y": _gram(rows, targets)}, {"y": 0.5}, alpha, blocks)
    without = ridge.solve({"y": _gram(rows[10:], targets[10:])}, {"y": 0.5}, alpha, blocks)
    found = leave_out(whole, rows[:10], targets[:10], 0.5)
    assert found.error == pytest.approx(targets[:10] - rows[:10] @ without.weights, rel=1e-9)
    variance = np.square(without.whitened(rows[:10].T)).sum(0)
    assert found.variance == pytest.approx(variance, rel=1e-9)


def test_calibration_recovers_scale_and_misfit():
    rng = np.random.default_rng(7)
    variance = rng.uniform(0.0, 4.0, 20_000)
    groups = np.arange(20_000) % 2
    sigma = np.where(groups, 1.0, 0.3)
    error = rng.normal(size=20_000) * np.sqrt(1.5**2 * variance + sigma**2)
    c, found = calibrate(LeftOut(error, variance), groups, 2)
    assert c == pytest.approx(1.5, rel=0.05)
    assert found == pytest.approx([0.3, 1.0], rel=0.1)
