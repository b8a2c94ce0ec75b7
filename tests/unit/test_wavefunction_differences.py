"""Finite differences against a function whose kinetic energy is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rgnn.tasks.wavefunction.finite_difference import kinetic, reads_per_energy


@pytest.mark.parametrize(("order", "tolerance"), [(2, 2e-2), (4, 2e-4), (6, 3e-6)])
def test_stencils_converge_with_their_order(order, tolerance):
    """log ψ = Σ cos x: Δ = −Σ cos x, |∇|² = Σ sin² x."""
    with jax.enable_x64(True):
        x = jnp.asarray(np.random.default_rng(0).normal(size=(5, 2, 3)))
        found = kinetic(
            lambda r, key: jnp.cos(r).sum((1, 2)), x, jax.random.key(0), order=order, step=0.2
        )
        exact = 0.5 * (jnp.cos(x) - jnp.sin(x) ** 2).sum((1, 2))
        error = float(jnp.abs(found - exact).max())
    assert error < tolerance
    assert reads_per_energy(2, 2) == 13
    assert reads_per_energy(2, 6) == 37
