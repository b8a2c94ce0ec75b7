"""Observables against what is known without them."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from rgnn.core.errors import InputError
from rgnn.core.structure import Structure
from rgnn.md.analysis import analyse
from rgnn.md.config import MDConfig
from rgnn.md.dynamics import run
from rgnn.md.files import Recorder
from rgnn.md.observables import (
    diffusion,
    drift,
    inefficiency,
    mean_square_displacement,
    radial_distribution,
    temperature,
    vibrations,
    without_drift,
)
from rgnn.md.sample import measure


def structure(atoms):
    return Structure(atoms.positions, np.array(atoms.numbers), atoms.cell.array, atoms.pbc)


@pytest.mark.parametrize("cubic", [True, False], ids=["four atoms", "one atom"])
def test_radial_distribution_of_a_crystal_steps_by_its_shells(cubic):
    atoms = bulk("Cu", a=3.6, cubic=cubic)
    atoms.positions += [7.0, -3.0, 0.4]  # a trajectory may have left the cell
    found = radial_distribution([structure(atoms)], r_max=3.6 * 1.65, n_bin=400)
    edge = found.radius + (found.radius[1] - found.radius[0]) / 2
    for shell, total in zip([0.5, 1.0, 1.5, 2.0, 2.5], [12, 18, 42, 54, 78], strict=True):
        inside = np.searchsorted(edge, 3.6 * np.sqrt(shell) + 0.05)
        assert found.neighbours[0, inside] == pytest.approx(total)
    assert np.all(found.g[0][found.radius < 2.4] == 0)


def test_radial_distribution_counts_each_pair_of_elements_both_ways():
    rocksalt = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    found = radial_distribution([structure(rocksalt)] * 2, r_max=5.0)
    assert found.pairs == ((11, 11), (11, 17), (17, 17))
    last = {pair: found.neighbours[k, -1] for k, pair in enumerate(found.pairs)}
    assert last == {(11, 11): 12, (11, 17): 6 + 8, (17, 17): 12}


def test_radial_distribution_refuses_what_has_no_density():
    with pytest.raises(InputError, match="periodic"):
        radial_distribution([structure(Atoms("He"))])
    with pytest.raises(InputError, match="at least one frame"):
        radial_distribution([])


def test_displacement_of_straight_flight_is_ballistic():
    time = np.arange(50.0)
    velocity = np.array([[0.1, 0.0, 0.2], [0.0, -0.3, 0.1]])
    msd = mean_square_displacement(time[:, None, None] * velocity)
    assert msd == pytest.approx(np.mean(np.sum(velocity**2, axis=1)) * time**2, abs=1e-9)
    found = diffusion(time[:, None, None] * velocity, 1.0, window_ps=(1.0, 6.0), n_block=2)
    assert found.exponent == pytest.approx(2, abs=1e-6)


def test_displacement_survives_a_distant_origin():
    rng = np.random.default_rng(0)
    path = rng.normal(size=(200, 3, 3)).cumsum(axis=0)
    assert mean_square_displacement(path + 1e4) == pytest.approx(
        mean_square_displacement(path), rel=1e-6, abs=1e-9
    )


def test_drift_of_the_centre_of_mass_goes_and_relative_motion_stays():
    rng = np.random.default_rng(0)
    path, masses = rng.normal(size=(20, 4, 3)), np.array([1.0, 2.0, 3.0, 4.0])
    pushed = path + np.arange(20)[:, None, None] * [1.0, 0.5, 0.0]
    still = without_drift(pushed, masses)
    assert np.einsum("fax,a->fx", still, masses) == pytest.approx(0, abs=1e-12)
    assert still[:, 1] - still[:, 0] == pytest.approx(path[:, 1] - path[:, 0])


def test_diffusion_says_what_it_needs():
    path = np.zeros((40, 2, 3))
    with pytest.raises(InputError, match="run longer or move the window"):
        diffusion(path, 0.01)
    with pytest.raises(InputError, match="run longer or move the window"):
        diffusion(path, 1.0, window_ps=(1.0, 20.0))
    assert diffusion(path, 1.0).A2_per_ps == 0


def test_diffusion_units():
    walk = np.random.default_rng(0).normal(size=(400, 5, 3)).cumsum(axis=0)
    found = diffusion(walk, 1.0, window_ps=(5.0, 20.0))
    assert found.cm2_per_s == pytest.approx(found.A2_per_ps * 1e-16 / 1e-12)
    assert found.window_ps == (5, 20)


def test_drift_of_a_line_is_its_slope_without_error():
    time = np.linspace(0, 10, 101)
    found = drift(time, -500 + 0.003 * time, n_atom=60)
    assert found.meV_per_atom_per_ps == pytest.approx(0.05, rel=1e-9)
    assert found.stderr_meV_per_atom_per_ps < 1e-9
    assert found.rms_meV_per_atom < 1e-9


def test_statistics_need_samples():
    with pytest.raises(InputError, match="3 samples"):
        drift(np.zeros(2), np.zeros(2), 1)
    with pytest.raises(InputError, match="2 samples"):
        temperature(np.zeros(1), 300.0, 3)


def test_constant_values_count_each():
    assert inefficiency(np.full(50, 3.7)) == 1
    assert inefficiency(np.full(50, 0.1) + 0.2) == 1


def test_vibrations_find_the_frequency_of_each_mass():
    time = np.arange(2000) * 0.002
    slow, fast = np.cos(2 * np.pi * 5 * time), np.cos(2 * np.pi * 40 * time + 1)
    velocities = np.zeros((2000, 2, 3))
    velocities[:, 0, 0], velocities[:, 1, 1] = slow, fast
    found = vibrations(velocities, np.array([3.0, 1.0]), 0.002)
    peaks = found.frequency_THz[np.argsort(found.density_per_THz)[::-1]]
    assert abs(peaks[0] - 5) < 1 and found.autocorrelation[0] == 1
    near = np.abs(found.frequency_THz - 40) < 3
    share = np.trapezoid(found.density_per_THz[near], found.frequency_THz[near])
    assert share == pytest.approx(0.25, abs=0.02)
    assert np.trapezoid(found.density_per_THz, found.frequency_THz) == pytest.approx(1)


def test_vibrations_refuse_too_little():
    with pytest.raises(InputError, match="no velocities"):
        vibrations(np.zeros((100, 1, 3)), np.ones(1), 0.01)
    with pytest.raises(InputError, match="at least 32 frames"):
        vibrations(np.ones((10, 1, 3)), np.ones(1), 0.01)


def test_analysis_reads_a_run_and_summarises_it(tmp_path):
    settings = MDConfig(300.0, 60, ensemble="nve", log_interval=2, trajectory_interval=1)
    run(bulk("Cu", cubic=True), EMT(), settings, tmp_path)
    found = analyse(tmp_path, discard=0.25, r_max=5.0)
    numbers = found.summary()
    assert (found.discarded_ps, found.length_ps) == pytest.approx((0.015, 0.045))
    assert numbers["n_atoms"] == 4 and numbers["target_temperature_K"] is None
    assert numbers["temperature_mean_K"] == pytest.approx(
        found.log["temperature_K"][found.log["time_fs"] >= 15].mean()
    )
    assert abs(numbers["energy_drift_meV_per_atom_per_ps"]) < 20
    assert numbers["volume_mean_A3"] == pytest.approx(bulk("Cu", cubic=True).get_volume())
    assert found.displacements["Cu"].diffusion is None  # 45 fs show no diffusion
    assert found.vibrations is not None and found.radial is not None


def test_analysis_of_a_molecule_under_langevin_leaves_out_what_is_undefined(tmp_path):
    molecule = Atoms("CO", [[0, 0, 0], [1.15, 0, 0]])
    run(molecule, EMT(), MDConfig(100.0, 20, timestep_fs=0.2), tmp_path)
    found = analyse(tmp_path)
    assert found.radial is None and found.drift is None and not found.displacements
    assert "energy_drift_meV_per_atom_per_ps" not in found.summary()


def test_breathing_of_the_cell_is_not_diffusion(tmp_path):
    settings = MDConfig(300.0, 40, ensemble="npt", trajectory_interval=1, log_interval=1)
    atoms = bulk("Cu", cubic=True) * (2, 1, 1)
    atoms.positions += 50.0  # far from the origin, where scaling moves atoms most
    calculator = EMT()
    recorder = Recorder(tmp_path)
    recorder.begin(None)
    for step in range(41):
        strained = atoms.copy()
        strained.set_cell(atoms.cell * (1 + 0.05 * np.sin(step)), scale_atoms=True)
        strained.calc = calculator
        sample = measure(strained, settings, step, float("nan"))
        recorder.log(sample)
        recorder.frame(strained, sample)
        recorder.save(strained, {}, settings, step)
    assert analyse(tmp_path, discard=0.0).displacements["Cu"].msd_A2.max() < 1e-12


def test_analysis_refuses_what_is_no_run(tmp_path):
    with pytest.raises(InputError, match=r"holds no checkpoint\.npz"):
        analyse(tmp_path)
    with pytest.raises(InputError, match="discard"):
        analyse(tmp_path, discard=1.0)
