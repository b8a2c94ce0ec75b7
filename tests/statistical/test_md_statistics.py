"""Ensembles and estimators against the laws they should follow (|z| < 4)."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from rgnn.core.structure import Structure
from rgnn.md.analysis import analyse
from rgnn.md.config import MDConfig
from rgnn.md.dynamics import run
from rgnn.md.files import read_run
from rgnn.md.observables import diffusion, drift, inefficiency, radial_distribution, temperature

K_BOLTZMANN = 8.617330337217213e-05
"""[eV/K]"""


class Wells(Calculator):
    """Every atom in its own anharmonic well ½ k r² + ¼ q r⁴ at the origin of its cell."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def __init__(self, stiffness, quartic=0.0):
        super().__init__()
        self.stiffness, self.quartic = stiffness, quartic

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        away = self.atoms.positions - 20.0 * np.arange(len(self.atoms))[:, None]
        square = np.sum(away**2, axis=1, keepdims=True)
        energy = np.sum(self.stiffness * square / 2 + self.quartic * square**2 / 4)
        self.results = {
            "energy": energy,
            "forces": -(self.stiffness + self.quartic * square) * away,
        }


def ions(n=12):
    return Atoms(["Li", "O", "P"] * (n // 3), 20.0 * np.arange(n)[:, None] * np.ones(3))


def test_langevin_samples_velocities_and_positions_at_its_temperature(tmp_path):
    settings = MDConfig(
        400.0, 4000, timestep_fs=4.0, thermostat_time_fs=50.0, seed=1, min_distance_A=0.0
    )
    atoms, stiffness = ions(), 1.0
    run(atoms, Wells(stiffness), settings, tmp_path)
    found = read_run(tmp_path)
    frames, late = found.frames[50:], found.log["temperature_K"][50:]
    found = temperature(late, 400.0, 3 * len(atoms))
    # BAOAB's half kick lowers the kinetic temperature by (ω Δt)² / 4 of the fastest vibration.
    bias = 400 * stiffness / 6.94 * (4 * 0.0982269) ** 2 / 4
    assert abs(found.mean_K - 400) < 4 * found.stderr_K + bias
    assert found.std_K == pytest.approx(found.canonical_std_K, rel=0.15)
    paths = np.stack([frame.positions for frame in frames])
    away = paths - atoms.positions
    energy = stiffness * np.sum(away**2, axis=(1, 2)) / 2
    expected = 3 * len(atoms) * K_BOLTZMANN * 400 / 2  # BAOAB: exact in a harmonic well
    error = np.std(energy) * np.sqrt(inefficiency(energy) / len(energy))
    assert abs(energy.mean() - expected) < 4 * error


def test_nose_hoover_steers_the_free_velocities_to_its_temperature(tmp_path):
    settings = MDConfig(
        *(400.0, 3000, 4.0, "nvt", "nose-hoover"), thermostat_time_fs=50.0, min_distance_A=0.0
    )
    atoms = ions(6)
    atoms.set_cell([200.0] * 3)
    atoms.pbc = True
    run(atoms, Wells(1.0, 5.0), settings, tmp_path)
    found = analyse(tmp_path).temperature
    assert found is not None
    assert found.canonical_std_K == pytest.approx(400 * np.sqrt(2 / 15))
    assert abs(found.mean_K - 400) < 4 * found.stderr_K
    assert found.stderr_K < 30


def test_random_walk_diffuses_as_it_was_drawn():
    rng = np.random.default_rng(7)
    true = 0.25
    found = []
    for _ in range(30):
        steps = rng.normal(scale=np.sqrt(2 * true), size=(800, 8, 3))
        found.append(diffusion(steps.cumsum(axis=0), 1.0, window_ps=(2.0, 20.0), n_block=8))
    values = np.array([one.A2_per_ps for one in found])
    z = (values.mean() - true) / (values.std(ddof=1) / np.sqrt(len(values)))
    assert abs(z) < 4
    claimed = np.sqrt(np.mean([one.stderr_A2_per_ps**2 for one in found]))
    assert claimed == pytest.approx(values.std(ddof=1), rel=0.5)
    assert np.mean([one.exponent for one in found]) == pytest.approx(1, abs=0.05)


def test_ideal_gas_has_no_structure_also_beyond_the_cell():
    rng = np.random.default_rng(3)
    cell = np.array([[6.0, 0, 0], [1.5, 5.5, 0], [-1.0, 0.7, 5.0]])
    numbers = np.repeat([3, 8], [10, 20])
    gas = [
        Structure(rng.random((30, 3)) @ cell, numbers, cell, np.ones(3, dtype=bool))
        for _ in range(150)
    ]
    found = radial_distribution(gas, r_max=9.0, n_bin=18)
    shells = 4 / 3 * np.pi * np.diff(np.linspace(0, 9, 19) ** 3)
    expected = 150 * 10 * 20 / gas[0].volume * shells
    unlike = found.g[found.pairs.index((3, 8))]
    assert np.abs((unlike - 1) * np.sqrt(expected)).max() < 4
    like = found.g[found.pairs.index((8, 8))]
    inside = np.linspace(0, 9, 19)[1:] < 4.0  # closer than any periodic image of the atom itself
    pairs = 150 * 20 * 19 / 2 / gas[0].volume * shells
    z = (like - 19 / 20) / (19 / 20) * np.sqrt(pairs)
    assert np.abs(z[inside]).max() < 4


def test_errors_know_about_correlation():
    rng = np.random.default_rng(5)
    memory, n = 0.9, 4000
    noise = rng.normal(size=(40, n))
    chains = np.zeros_like(noise)
    for t in range(1, n):
        chains[:, t] = memory * chains[:, t - 1] + noise[:, t]
    found = np.mean([inefficiency(chain) for chain in chains])
    assert found == pytest.approx((1 + memory) / (1 - memory), rel=0.15)
    time = np.linspace(0, 10, n)
    fits = [drift(time, chain / 1000, 1) for chain in chains]
    z = [fit.meV_per_atom_per_ps / fit.stderr_meV_per_atom_per_ps for fit in fits]
    assert np.std(z) == pytest.approx(1, abs=0.35)
