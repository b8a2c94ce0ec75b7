"""A semi-empirical method under the network: what is learnt, what comes back, what is refused."""

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

import force_models
import rgnn
from rgnn.core.errors import InputError, MissingExtra
from rgnn.core.structure import Frame, Labels
from rgnn.io.structures import structure_of, to_ase, write_frames
from rgnn.reservoir.config import MessageConfig
from rgnn.run import force
from rgnn.tasks.force import baseline, training
from rgnn.tasks.force.config import BaselineConfig

pytest.importorskip("tblite.interface", exc_type=ImportError)  # wants the system's libgomp

XTB = BaselineConfig("GFN2-xTB", accuracy=0.01)
PLAIN = replace(
    force_models.config(),
    reservoir=replace(force_models.SMALL, message=MessageConfig(scalars=0)),
)
LAYERED = replace(PLAIN, baseline=XTB)


def frames() -> list[Frame]:
    return force_models.methanol()


@cache
def model() -> rgnn.ForceField:
    return rgnn.ForceField.fit(frames()[:30], config=LAYERED)


def test_the_network_learns_what_the_baseline_misses():
    whole = rgnn.ForceField.fit(frames()[:30], config=PLAIN).evaluate(frames()[30:])
    layered = model().evaluate(frames()[30:])
    assert layered["force_rmse_meV_per_A"] < 0.5 * whole["force_rmse_meV_per_A"]
    assert layered["energy_mae_meV_per_atom"] < 0.5 * whole["energy_mae_meV_per_atom"]
    told = model().readout.summary
    below = [baseline.compute(frame.structure, XTB).forces for frame in frames()[:30]]
    missed = np.array([f.labels.forces for f in frames()[:30]]) - np.array(below)
    assert told["baseline_force_rmse"] == pytest.approx(missed.std(), rel=1e-3)
    assert layered["force_rmse_meV_per_A"] < 1e3 * told["baseline_force_rmse"]


def test_forces_are_the_gradient_of_the_energy_with_the_baseline_in_both():
    atoms = to_ase(frames()[35])
    atoms.calc = model().calculator(uncertainty=False)
    found = atoms.get_forces()
    step, here = 1e-3, atoms.positions.copy()
    for atom, axis in ((0, 0), (1, 2), (4, 1)):
        energies = []
        for sign in (1, -1):
            atoms.positions = here
            atoms.positions[atom, axis] += sign * step
            energies.append(atoms.get_potential_energy())
        slope = (energies[0] - energies[1]) / (2 * step)
        assert found[atom, axis] == pytest.approx(-slope, abs=2e-4)


def test_stress_is_the_derivative_by_a_strain_of_the_cell():
    crystal = bulk("C", "diamond", a=3.5)
    crystal.positions[1, 0] += 0.05

    def strained(by: float):
        strain = np.eye(3) + by * np.outer([1, 0, 0], [1, 0, 0])
        moved = crystal.copy()
        moved.set_cell(crystal.cell @ strain, scale_atoms=True)
        return baseline.compute(structure_of(moved), replace(XTB, method="GFN1-xTB"))

    step = 1e-3
    slope = (strained(step).energy - strained(-step).energy) / (2 * step)
    assert strained(0.0).stress[0, 0] == pytest.approx(slope / crystal.get_volume(), rel=1e-3)


def test_a_scale_of_zero_becomes_the_one_that_leaves_least_and_stays_with_the_model():
    scaled = rgnn.ForceField.fit(
        frames()[:30], config=replace(PLAIN, baseline=replace(XTB, scale=0.0))
    )
    scale = scaled.config.baseline.scale
    points = baseline.compute_all(frames()[:30], XTB)

    def missed(by: float) -> float:
        left = baseline.without(frames()[:30], points, by)
        return baseline.left_over(frames()[:30], left)["baseline_force_rmse"]

    assert missed(scale) < min(missed(scale * 0.99), missed(scale * 1.01), missed(1.0))
    assert scaled.readout.summary["baseline_force_rmse"] == pytest.approx(missed(scale))
    rough = scaled.evaluate(frames()[30:])["force_rmse_meV_per_A"]
    assert rough < 1e3 * missed(scale)


def test_a_saved_model_brings_its_baseline(tmp_path: Path):
    model().save(tmp_path / "model.rgnn")
    again = rgnn.ForceField.load(tmp_path / "model.rgnn")
    assert again.config.baseline == XTB
    one = [f.predict(frames()[30:31])[0] for f in (model(), again)]
    np.testing.assert_array_equal(one[0].forces, one[1].forces)
    assert one[0].energy == one[1].energy


def test_a_molecule_with_an_odd_electron_and_an_ion_are_what_they_are():
    water = structure_of(molecule("H2O"))
    neutral = baseline.compute(water, XTB).energy
    anion = baseline.compute(water, replace(XTB, charge=-1.0)).energy
    assert anion > neutral + 3  # eV: an electron water does not want
    assert np.isfinite(baseline.compute(structure_of(molecule("CH3")), XTB).forces).all()
    oxygen = structure_of(Atoms("O"))
    with pytest.raises(InputError, match="charge and unpaired"):
        baseline.compute(oxygen, replace(XTB, unpaired=1))
    assert baseline.compute(oxygen, replace(XTB, unpaired=2)).energy < 0


def test_an_interrupted_pass_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    own = training.Checkpoint(tmp_path / "labels.npz", True, "these frames")
    first = baseline.compute_all(frames()[:3], XTB, checkpoint=own)
    seen = []
    compute = baseline.compute
    monkeypatch.setattr(baseline, "compute", lambda s, c: seen.append(s) or compute(s, c))
    again = baseline.compute_all(frames()[:5], XTB, checkpoint=own)
    assert len(seen) == 2
    for a, b in zip(first, again[:3], strict=True):
        assert a.energy == b.energy and a.stress is b.stress is None
        np.testing.assert_array_equal(a.forces, b.forces)


def test_what_cannot_be_computed_is_named():
    heavy = Frame(structure_of(Atoms("UO", [[0, 0, 0], [1.8, 0, 0]])), Labels(), "melt, frame 7")
    with pytest.raises(InputError, match=r"^melt, frame 7: GFN2-xTB fails .*Z >86"):
        baseline.compute_all([heavy], XTB)
    with pytest.raises(InputError, match="the same for both"):
        rgnn.ForceField.fit(frames()[:8], config=PLAIN, prior=model())


def test_a_prior_brings_its_baseline_and_another_one_is_refused(tmp_path: Path):
    write_frames(tmp_path / "train.extxyz", frames()[:8])
    model().save(tmp_path / "prior.rgnn")
    given = {"train": [str(tmp_path / "train.extxyz")], "prior": tmp_path / "prior.rgnn"}
    run, _ = force.fit(force.Fit(out=tmp_path / "run", config=PLAIN, **given))
    assert force.load(run.path).config.baseline == XTB
    other = replace(PLAIN, baseline=replace(XTB, method="GFN1-xTB"))
    with pytest.raises(InputError, match="the same for both"):
        force.fit(force.Fit(out=tmp_path / "other", config=other, **given))


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "tblite.ase", None)
    with pytest.raises(MissingExtra, match=r"rgnn\[xtb\]"):
        baseline.compute(frames()[0].structure, XTB)
