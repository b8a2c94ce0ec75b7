"""The derivative of a cross-validated error, against solving again."""

import numpy as np
import pytest

from rgnn.readout.halves import Half, cotangents, crossed


@pytest.fixture
def problem():
    """Rows that move with a parameter, on both halves."""
    rng = np.random.default_rng(3)
    start, slope = rng.normal(size=(2, 2, 40, 12))
    targets = rng.normal(size=(2, 40))
    judged = (30, 25)

    def halves(parameter: float):
        return tuple(Half(start[h] + parameter * slope[h], targets[h], judged[h]) for h in range(2))

    return halves, slope, judged


def test_derivative_is_that_of_solving_again(problem):
    halves, slope, judged = problem
    now = halves(0.0)
    found = crossed(now, 0.7)
    derivative = 0.0
    for rows, c in zip(slope, cotangents(now, found), strict=True):
        derivative += float((c.by_weights * (found.weights @ rows.T)).sum())
        derivative += float((c.by_adjoint * (found.adjoint @ rows.T)).sum())

    def loss(parameter: float) -> float:
        return crossed(halves(parameter), 0.7).error ** 2 * sum(judged) / 2

    step = 1e-5
    assert derivative == pytest.approx((loss(step) - loss(-step)) / (2 * step), rel=1e-7)


def test_error_is_that_of_rows_that_were_not_fitted(problem):
    halves, _, judged = problem
    one, two = halves(0.0)
    found = crossed((one, two), 0.7)
    misfits = []
    for own, other, n in ((one, two, judged[1]), (two, one, judged[0])):
        padded = np.vstack([own.rows, np.sqrt(0.7) * np.eye(12)])
        w = np.linalg.lstsq(padded, np.append(own.targets, np.zeros(12)), rcond=None)[0]
        misfits.append(other.rows[:n] @ w - other.targets[:n])
    assert found.error == pytest.approx(np.sqrt(np.mean(np.concatenate(misfits) ** 2)), rel=1e-10)
