"""Runs: exact motion, files, resuming, and stopping in time."""

import resource
import warnings

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.constraints import FixAtoms
from ase.io import read

from rgnn.core.errors import InputError
from rgnn.md.checkpoint import CHECKPOINT
from rgnn.md.config import MDConfig
from rgnn.md.dynamics import run
from rgnn.md.files import LOG, TRAJECTORY, read_run
from rgnn.md.sample import ExtrapolationWarning, Unstable
from rgnn.md.start import degrees_of_freedom, prepare

FS = 0.09822694788464063
"""One femtosecond in ASE's time unit √(amu Å²/eV)."""


class Springs(Calculator):
    """Every atom on its own spring: energy, forces, and what a test wants to go wrong."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def __init__(self, centres, stiffness=2.0, *, std=None, at=None, failure=None):
        super().__init__()
        self.centres, self.stiffness, self.std = np.array(centres), stiffness, std
        self.at, self.failure, self.calls = at, failure, 0

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.calls += 1
        away = self.atoms.positions - self.centres
        forces = -self.stiffness * away
        if self.at is not None and self.calls >= self.at:
            if isinstance(self.failure, BaseException):
                raise self.failure
            forces = self.failure(forces)
        self.results = {"energy": self.stiffness * np.sum(away**2) / 2, "forces": forces}
        if self.std is not None:
            self.results["forces_std"] = np.full(forces.shape, self.std(self.calls))


class Forgetful(LennardJones):
    """Lennard-Jones whose forces depend on the present positions alone, to the last bit."""

    def calculate(self, *args, **kwargs):
        self.nl = None
        super().calculate(*args, **kwargs)


def copper():
    return bulk("Cu", cubic=True) * (2, 2, 2)


def lennard_jones():
    return Forgetful(sigma=2.3, epsilon=0.15, rc=4.0, smooth=True)


def pair(distance=1.5):
    return Atoms("He2", [[0, 0, 0], [distance, 0, 0]])


def config(**changes):
    return MDConfig(**{"temperature_K": 300.0, "steps": 40, "ensemble": "nve"} | changes)


def files(out):
    return [(out / name).read_bytes() for name in (TRAJECTORY, LOG)]


def test_velocity_verlet_moves_an_oscillator_as_its_exact_solution(tmp_path):
    atoms = Atoms("Ar", [[0.3, 0, 0]])
    atoms.set_velocities([[0.01, 0, 0]])
    settings = config(temperature_K=0.0, timestep_fs=5.0, log_interval=1, keep_velocities=True)
    end = run(atoms, Springs([[0, 0, 0]]), settings, tmp_path).atoms
    step = 5.0 * FS
    angle = np.arccos(1 - 2.0 / atoms.get_masses()[0] * step**2 / 2)
    expected = 0.3 * np.cos(40 * angle) + 0.01 * step * np.sin(40 * angle) / np.sin(angle)
    assert end.positions[0, 0] == pytest.approx(expected, abs=1e-12)
    log = read_run(tmp_path).log
    assert np.array_equal(log["step"], np.arange(41))
    assert np.allclose(log["total_eV"], log["potential_eV"] + log["kinetic_eV"])


def test_energy_error_shrinks_as_the_square_of_the_time_step(tmp_path):
    def error(fs, out):
        run(copper(), EMT(), config(temperature_K=600.0, timestep_fs=fs, steps=int(160 / fs)), out)
        energy = read_run(out).log["conserved_eV"]
        return np.ptp(energy)

    coarse, fine = error(4.0, tmp_path / "coarse"), error(2.0, tmp_path / "fine")
    assert coarse < 0.02
    assert coarse / fine == pytest.approx(4, rel=0.35)


ENSEMBLES = [
    {"ensemble": "nve"},
    {"ensemble": "nvt"},
    {"ensemble": "nvt", "thermostat": "nose-hoover"},
    {"ensemble": "npt"},
    {"ensemble": "npt", "cell_motion": "full"},
    {"ensemble": "npt", "thermostat": "nose-hoover"},
    {"ensemble": "npt", "thermostat": "nose-hoover", "cell_motion": "full"},
]


@pytest.mark.parametrize("ensemble", ENSEMBLES, ids=lambda e: "-".join(e.values()))
def test_resumed_equals_uninterrupted_to_the_last_bit(tmp_path, ensemble):
    settings = {"steps": 30, "log_interval": 5, "trajectory_interval": 7, "seed": 4} | ensemble
    whole = run(copper(), lennard_jones(), config(**settings), tmp_path / "whole")
    run(copper(), lennard_jones(), config(**settings | {"steps": 17}), tmp_path / "cut")
    rest = run(copper(), lennard_jones(), config(**settings), tmp_path / "cut", resume=True)
    assert rest.resumed_from == 17
    assert np.array_equal(whole.atoms.positions, rest.atoms.positions)
    assert np.array_equal(whole.atoms.get_momenta(), rest.atoms.get_momenta())
    assert np.array_equal(whole.atoms.cell, rest.atoms.cell)
    assert files(tmp_path / "whole") == files(tmp_path / "cut")


class NoisyReads(Springs):
    """Forces with noise that the count of calls picks; error bars cost another read."""

    implemented_properties = ["energy", "forces", "forces_std"]  # noqa: RUF012

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        noise = np.random.default_rng(self.calls).normal(size=(len(self.atoms), 3))
        self.results["forces"] = self.results["forces"] + 0.1 * noise
        if "forces_std" in properties:
            self.results["forces_std"] = np.full((len(self.atoms), 3), 0.1)


@pytest.mark.parametrize("ensemble", ["nve", "nvt"])
def test_a_resumed_run_goes_on_with_the_noise_it_would_have_drawn(tmp_path, ensemble):
    atoms = pair()
    settings = {"ensemble": ensemble, "log_interval": 5, "trajectory_interval": 10}
    run(atoms, NoisyReads(atoms.positions), config(**settings), tmp_path / "whole")
    cut = config(**settings | {"steps": 23})
    run(atoms, NoisyReads(atoms.positions), cut, tmp_path / "cut")
    again = NoisyReads(atoms.positions)
    run(atoms, again, config(**settings), tmp_path / "cut", resume=True)
    assert files(tmp_path / "whole") == files(tmp_path / "cut")
    assert read_run(tmp_path / "cut").log["max_force_std_eV_per_A"] == pytest.approx(0.1)


def test_a_kill_between_checkpoints_costs_only_what_came_after_the_last(tmp_path):
    atoms = pair()
    run(atoms, Springs(atoms.positions), config(ensemble="nvt"), tmp_path / "whole")
    killed = Springs(atoms.positions, at=26, failure=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run(atoms, killed, config(ensemble="nvt"), tmp_path / "killed")
    with (tmp_path / "killed" / TRAJECTORY).open("a") as stream:
        stream.write("2\nLattice=")  # as if the kill had come in the middle of a frame
    assert [f.info["step"] for f in read_run(tmp_path / "killed").frames] == [0, 10, 20]
    calm = Springs(atoms.positions)
    end = run(atoms, calm, config(ensemble="nvt"), tmp_path / "killed", resume=True)
    assert end.resumed_from == 20
    assert files(tmp_path / "whole") == files(tmp_path / "killed")


def test_resume_refuses_other_settings_other_atoms_and_damage(tmp_path):
    atoms = pair()
    run(atoms, Springs(atoms.positions), config(), tmp_path)
    with pytest.raises(InputError, match=r"timestep_fs = 1.0, now 2.0"):
        run(atoms, Springs(atoms.positions), config(timestep_fs=2.0), tmp_path, resume=True)
    other = Atoms("HeNe", atoms.positions)
    with pytest.raises(InputError, match="other atoms"):
        run(other, Springs(atoms.positions), config(), tmp_path, resume=True)
    with pytest.raises(InputError, match="already holds an md run"):
        run(atoms, Springs(atoms.positions), config(), tmp_path)
    content = (tmp_path / CHECKPOINT).read_bytes()
    (tmp_path / CHECKPOINT).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="damaged checkpoint"):
        run(atoms, Springs(atoms.positions), config(), tmp_path, resume=True)


def test_resume_without_a_run_starts_one(tmp_path):
    atoms = pair()
    result = run(atoms, Springs(atoms.positions), config(), tmp_path / "new", resume=True)
    assert (result.resumed_from, result.steps) == (0, 40)
    whole = files(tmp_path / "new")
    (tmp_path / "new" / CHECKPOINT).unlink()  # as if killed before the first checkpoint
    run(atoms, Springs(atoms.positions), config(), tmp_path / "new", resume=True)
    assert files(tmp_path / "new") == whole


def test_a_full_disk_keeps_whole_frames_and_can_be_resumed(tmp_path):
    atoms = copper()
    whole, full = tmp_path / "whole", tmp_path / "full"
    settings = config(steps=60, log_interval=1)
    run(atoms, Springs(atoms.positions), settings, whole)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(files(whole)[0]) // 2, hard))
    try:
        with pytest.raises(InputError, match="cannot write"):
            run(atoms, Springs(atoms.positions), settings, full)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(read_run(full).frames) >= 2
    run(atoms, Springs(atoms.positions), settings, full, resume=True)
    assert files(full) == files(whole)


def poisoned(forces):
    return np.full_like(forces, np.nan)


@pytest.mark.parametrize(
    ("failure", "changes", "words"),
    [
        (poisoned, {}, "step 25 .*not a number"),
        (lambda forces: forces + 1e3, {}, r"step 25 .*force of .* on atom [01] \(He\) exceeds"),
        (lambda forces: forces + 90.0, {"max_temperature_K": 2000.0}, "temperature of .* exceeds"),
        (InputError("two atoms at one place"), {}, "step 25: two atoms at one place"),
    ],
    ids=["nan", "force", "temperature", "calculator"],
)
def test_a_blow_up_stops_with_one_line_and_keeps_what_was_written(
    tmp_path, failure, changes, words
):
    atoms = pair()
    # The start is evaluated once and every step once more: call 26 is step 25.
    bad = Springs(atoms.positions, at=26, failure=failure)
    with pytest.raises(Unstable, match=words) as caught:
        run(atoms, bad, config(**changes), tmp_path)
    assert "\n" not in str(caught.value)
    assert len(read_run(tmp_path).frames) == 3
    assert read_run(tmp_path).log["step"].tolist() == [0, 10, 20]


def test_collapsing_and_overlapping_atoms_are_named(tmp_path):
    atoms = pair()
    together = Springs([[0.7, 0, 0], [0.75, 0, 0]], stiffness=1.0)
    settings = config(temperature_K=0.0, max_temperature_K=1e5, log_interval=1, steps=500)
    with pytest.raises(Unstable, match=r"atom 0 \(He\) and atom 1 \(He\) are 0\.\d+ Å apart"):
        run(atoms, together, settings, tmp_path / "a")
    with pytest.raises(Unstable, match=r"step 0 .*apart"):
        run(pair(0.1), Springs(pair().positions), config(), tmp_path / "b")
    assert not (tmp_path / "b" / LOG).exists()
    periodic = Atoms("He2", [[0.05, 0, 0], [4.95, 0, 0]], cell=[5, 5, 5], pbc=True)
    with pytest.raises(Unstable, match=r"0\.100 Å apart"):
        run(periodic, Springs(periodic.positions), config(), tmp_path / "c")


def test_force_uncertainty_is_logged_kept_and_warned_of_once(tmp_path):
    atoms = pair()
    unsure = Springs(atoms.positions, std=lambda call: 0.02 * call)
    with pytest.warns(ExtrapolationWarning, match="at step 30 exceeds 0.5") as caught:
        result = run(atoms, unsure, config(), tmp_path)
    assert len(caught) == 1
    logged = read_run(tmp_path)
    assert logged.log["max_force_std_eV_per_A"] == pytest.approx([0.02, 0.22, 0.42, 0.62, 0.82])
    assert result.max_forces_std_eV_per_A == pytest.approx(0.82)
    assert logged.frames[1].arrays["forces_std"] == pytest.approx(np.full((2, 3), 0.22))


def test_a_start_the_model_does_not_know_is_warned_of(tmp_path):
    atoms = pair()
    with pytest.warns(ExtrapolationWarning, match="at step 0 exceeds"):
        run(atoms, Springs(atoms.positions, std=lambda call: 9.0), config(), tmp_path)


def test_frames_can_be_read_by_ase_and_offer_no_labels(tmp_path):
    atoms = copper()
    atoms.set_masses(np.linspace(60, 66, len(atoms)))
    result = run(atoms, EMT(), config(steps=20), tmp_path)
    last = read(result.trajectory, index=-1)
    assert last.calc is None and last.info["step"] == 20
    assert last.get_masses() == pytest.approx(atoms.get_masses())
    assert last.positions == pytest.approx(result.atoms.positions, abs=1e-8)
    assert last.get_velocities() == pytest.approx(result.atoms.get_velocities(), abs=1e-8)
    assert np.ptp(atoms.positions - copper().positions) == 0  # the start is left alone


@pytest.mark.parametrize(
    ("atoms", "free"),
    [
        (copper(), 3 * 32 - 3),
        (molecule("CH4"), 9),
        (molecule("CO2"), 4),
        (Atoms("He"), 3),
    ],
    ids=["crystal", "molecule", "linear", "atom"],
)
def test_the_start_is_at_temperature_and_at_rest(atoms, free):
    start = prepare(atoms, config(temperature_K=500.0))
    assert degrees_of_freedom(start, friction=False) == free
    assert degrees_of_freedom(start, friction=True) == 3 * len(atoms)
    kelvin = 2 * start.get_kinetic_energy() / free / 8.617330337217213e-05
    assert kelvin == pytest.approx(500)
    if len(atoms) > 1:
        assert start.get_momenta().sum(axis=0) == pytest.approx(0, abs=1e-12)
        if not atoms.pbc.any():
            assert start.get_angular_momentum() == pytest.approx(0, abs=1e-9)


def test_the_start_depends_on_its_seed_alone():
    first, same, other = (prepare(copper(), config(seed=seed)).get_momenta() for seed in (1, 1, 2))
    assert np.array_equal(first, same) and not np.allclose(first, other)


def test_fixed_atoms_stay_where_they_are(tmp_path):
    atoms = copper()
    atoms.set_constraint(FixAtoms([0, 5]))
    end = run(atoms, EMT(), config(ensemble="nvt", steps=20), tmp_path).atoms
    assert np.array_equal(end.positions[[0, 5]], atoms.positions[[0, 5]])
    with pytest.raises(InputError, match="fixed atoms"):
        run(atoms, EMT(), config(ensemble="npt"), tmp_path / "npt")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"temperature_K": -1.0}, "temperature_K must lie"),
        ({"temperature_K": float("nan")}, "temperature_K must lie"),
        ({"temperature_K": 0.0, "ensemble": "nvt"}, "temperature_K must lie"),
        ({"timestep_fs": 1e3}, "timestep_fs must lie"),
        ({"steps": -5}, "steps must lie"),
        ({"log_interval": 0}, "log_interval must lie"),
        ({"thermostat_time_fs": 0.5}, "thermostat_time_fs must lie"),
    ],
)
def test_absurd_settings_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        config(**change)


@pytest.mark.parametrize("name", ["ensemble", "thermostat", "cell_motion", "engine"])
def test_unknown_words_are_refused_with_the_known_ones(name):
    made = config()
    object.__setattr__(made, name, "magic")  # types stop a Python caller before, not a file
    with pytest.raises(InputError, match=rf"unknown {name} 'magic'; use one of \w+"):
        made.__post_init__()


@pytest.mark.parametrize(
    ("atoms", "changes", "words"),
    [
        (Atoms(), {}, "no atoms"),
        (Atoms("He", [[np.nan, 0, 0]]), {}, "not finite"),
        (Atoms("He", masses=[0]), {}, "without mass"),
        (Atoms("He", pbc=True), {}, "length zero"),
        (pair(), {"ensemble": "npt"}, "periodic in all directions"),
        (Atoms("He2", [[0] * 3, [9] * 3], cell=[20] * 3, pbc=True), {"ensemble": "npt"}, "stress"),
    ],
)
def test_unusable_starts_are_refused(tmp_path, atoms, changes, words):
    with pytest.raises(InputError, match=words):
        run(atoms, Springs(atoms.positions), config(**changes), tmp_path)


def test_progress_is_told_stage_done_and_total(tmp_path):
    seen = []
    atoms = pair()
    run(atoms, Springs(atoms.positions), config(), tmp_path, progress=lambda *a: seen.append(a))
    assert seen == [("md", step, 40) for step in (0, 10, 20, 30, 40)]


def test_nothing_is_warned_of_in_a_calm_run(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(copper(), EMT(), config(ensemble="npt", steps=5), tmp_path)
