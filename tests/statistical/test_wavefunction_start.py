"""The first walkers: electrons of one spin keep out of each other's way as a determinant asks."""

import numpy as np

from rgnn.tasks.wavefunction import start
from rgnn.tasks.wavefunction.system import molecule

RUNS, WALKERS = 12, 400


def test_first_walkers_have_the_pair_density_of_the_determinant():
    """Σ_{i≠j} ⟨z_i z_j⟩ is (tr Z)² − tr Z² with Z_kl = ⟨φ_k|z|φ_l⟩.

    Independent electrons would have (tr Z)² − Σ Z_kk².
    """
    target = molecule("Li2")
    found = start.orbitals(target, determinants=1)
    held = found.coefficients[:, list(found.up[0])]
    z = held.T @ found.mol.intor("int1e_r")[2] @ held
    expected = np.trace(z) ** 2 - np.trace(z @ z)
    seen = []
    for seed in range(RUNS):
        up = start.walkers(target, found, np.random.default_rng(seed), WALKERS)[:, :3, 2]
        seen.append((up.sum(1) ** 2 - (up**2).sum(1)).mean())
    error = np.std(seen, ddof=1) / np.sqrt(RUNS)
    assert error < 1.0
    assert abs(np.mean(seen) - expected) < 4 * error
    assert abs(expected - (np.trace(z) ** 2 - (np.diag(z) ** 2).sum())) > 8 * error


def test_first_walkers_have_the_density_of_the_orbitals():
    """The mean of Σ_i z_i² over walkers is Σ_k ⟨φ_k|z²|φ_k⟩, for both spins of an open shell."""
    target = molecule("Li")
    found = start.orbitals(target, determinants=1)
    square = found.mol.intor("int1e_rr").reshape(3, 3, *[len(found.coefficients)] * 2)[2, 2]
    for spin, electrons in ((found.up[0], slice(0, 2)), (found.down[0], slice(2, 3))):
        held = found.coefficients[:, list(spin)]
        expected = np.trace(held.T @ square @ held)
        seen = []
        for seed in range(RUNS):
            drawn = start.walkers(target, found, np.random.default_rng(seed), WALKERS)
            seen.append((drawn[:, electrons, 2] ** 2).sum(1).mean())
        error = np.std(seen, ddof=1) / np.sqrt(RUNS)
        assert abs(np.mean(seen) - expected) < 4 * error
