from collections import Counter
from dataclasses import replace

import jax
import numpy as np
import pytest

import force_models
import rgnn
from rgnn.core.errors import InputError
from rgnn.core.structure import Frame, Labels
from rgnn.crossbar.build import Periphery
from rgnn.io import model_file
from rgnn.tasks.force import engine, groups, storage
from rgnn.tasks.force.columns import Columns
from rgnn.tasks.force.model import Predictor
from rgnn.tasks.force.rows import VOIGT, assemble
from rgnn.tasks.force.training import Sums

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def predict():
    predictor = Predictor(force_models.model())
    return lambda structure: predictor(structure, key=KEY, uncertainty=False)


@pytest.fixture(scope="module")
def structure():
    return force_models.test_frames()[0].structure


@pytest.mark.parametrize(("atom", "axis"), [(0, 0), (17, 1), (40, 2)])
def test_forces_are_minus_the_gradient_of_the_energy(predict, structure, atom, axis):
    h = 1e-4

    def energy(shift):
        positions = structure.positions.copy()
        positions[atom, axis] += shift
        return predict(replace(structure, positions=positions)).energy

    slope = (energy(h) - energy(-h)) / (2 * h)
    assert predict(structure).forces[atom, axis] == pytest.approx(-slope, abs=1e-6)


@pytest.mark.parametrize(("i", "j"), [(0, 0), (1, 2)])
def test_stress_is_the_strain_derivative_of_the_energy(predict, structure, i, j):
    h = 1e-4

    def energy(strain):
        deform = np.eye(3)
        deform[i, j] += strain / 2
        deform[j, i] += strain / 2
        moved = replace(
            structure, positions=structure.positions @ deform, cell=structure.cell @ deform
        )
        return predict(moved).energy

    slope = (energy(h) - energy(-h)) / (2 * h) / structure.volume
    assert predict(structure).stress[i, j] == pytest.approx(slope, abs=1e-7)


def test_design_rows_times_weights_are_the_predictions(predict, structure):
    """Training rows and inference are two routes to one linear model."""
    model = force_models.model()
    with engine.arithmetic("float64"):
        around = engine.Builder(model.elements, model.config.reservoir)(structure)
        design = engine.as_numpy(engine.design(model.reservoir, around, None))
        rows = assemble(around, 3, design)
    found = predict(structure)
    weights = model.readout.weights
    forces = np.tensordot(rows.forces, weights, axes=((2, 3), (0, 1)))
    assert forces == pytest.approx(found.forces, abs=1e-10)
    virial = (rows.virial * weights).sum(axis=(1, 2))
    stress = np.array([found.stress[a, b] for a, b in VOIGT])
    assert virial / structure.volume == pytest.approx(stress, abs=1e-12)
    species = np.searchsorted(model.elements, structure.numbers)
    energy = (rows.energy * weights).sum() + model.readout.offset[species].sum()
    assert energy == pytest.approx(found.energy, abs=1e-8)


def test_unseen_melt_is_predicted_better_than_by_chance():
    metrics = force_models.model().evaluate(force_models.test_frames())
    assert metrics["force_relative_error"] < 0.25
    assert metrics["net_force_max_eV_per_A"] < 1e-8
    assert 0 < metrics["trained_fraction"] < 1


def test_same_seed_same_model_and_another_seed_another_chip():
    frames = force_models.training_frames()  # the same shapes as everywhere: no compilation
    first, again, other = (
        rgnn.ForceField.fit(frames, config=force_models.config(), seed=s) for s in (3, 3, 4)
    )
    assert np.array_equal(first.readout.weights, again.readout.weights)
    assert not np.array_equal(first.chip.conductance, other.chip.conductance)


def test_stored_models_predict_the_same_and_run_no_code(tmp_path):
    model = force_models.model()
    path = tmp_path / "model.rgnn"
    model.save(path)
    frames = force_models.test_frames()[:1]
    before, after = model.predict(frames)[0], rgnn.load(path).predict(frames)[0]
    assert after.energy == before.energy
    assert np.array_equal(after.forces, before.forces)


@pytest.mark.parametrize("damage", ["empty", "cut", "foreign"])
def test_damaged_and_foreign_files_are_refused_in_one_line(tmp_path, damage):
    path = tmp_path / "model.rgnn"
    force_models.model().save(path)
    content = {"empty": b"", "cut": path.read_bytes()[:2000], "foreign": b"PK\x03\x04" * 50}
    path.write_bytes(content[damage])
    with pytest.raises(InputError, match=r"model\.rgnn") as error:
        rgnn.load(path)
    assert "\n" not in str(error.value)


def test_files_with_numbers_of_another_version_are_refused_in_one_line(tmp_path):
    path = tmp_path / "model.rgnn"
    force_models.model().save(path)
    arrays, metadata = model_file.read(path, storage.FORMAT)
    model_file.write(path, arrays | {"calibration.heard": np.zeros(3)}, metadata)
    with pytest.raises(InputError, match=r"model\.rgnn: incomplete or damaged .*heard"):
        rgnn.load(path)


def test_rungs_are_one_argument_and_close_to_each_other():
    exact = force_models.model()
    frames = force_models.test_frames()[:1]
    forces = {
        rung: exact.on(periphery=Periphery(rung)).predict(frames, uncertainty=False)[0].forces
        for rung in ("exact", "quantised", "crossbar")
    }
    size = np.abs(forces["exact"]).mean()
    quantised = np.abs(forces["quantised"] - forces["exact"]).mean() / size
    crossbar = np.abs(forces["crossbar"] - forces["exact"]).mean() / size
    assert 0 < quantised < crossbar < 1


def test_reads_of_a_noisy_chip_average_out():
    noisy = force_models.model().on(periphery=Periphery("crossbar"))
    frames = force_models.test_frames()[:1]
    exact = force_models.model().predict(frames, uncertainty=False)[0].forces
    one, many = (noisy.predict(frames, reads=n, uncertainty=False)[0].forces for n in (1, 25))
    assert np.std(many - exact) < 0.5 * np.std(one - exact)


def test_error_bars_cover_the_errors():
    """The z-scores of 576 force components on frames never seen: neither blind nor timid."""
    frames = rgnn.datasets.load("li3po4-xtb", "test")[::8]
    found = force_models.model().predict(frames)
    z = np.concatenate(
        [
            ((p.forces - f.labels.forces) / p.forces_std).ravel()
            for p, f in zip(found, frames, strict=True)
        ]
    )
    assert 0.6 < np.std(z) < 1.6
    assert all(p.energy_std > 0 for p in found)


def test_prior_readout_carries_over():
    """With the model itself as prior and its own training labels nothing has to be learnt."""
    model = force_models.model()
    frames = force_models.training_frames()
    labels = [
        Frame(f.structure, Labels(p.energy, p.forces, p.stress), f.source)
        for f, p in zip(frames, model.predict(frames, uncertainty=False), strict=True)
    ]
    again = rgnn.ForceField.fit(labels, prior=model, seed=1)
    test = force_models.test_frames()
    assert again.predict(test)[0].forces == pytest.approx(model.predict(test)[0].forces, abs=1e-3)
    assert again.chip.name == model.chip.name


def test_prior_must_share_the_network():
    other = replace(force_models.config(), reservoir=replace(force_models.SMALL, lmax=1))
    with pytest.raises(InputError, match="another reservoir"):
        rgnn.ForceField.fit(
            force_models.training_frames(), prior=force_models.model(), config=other
        )


def interrupted_fit(frames, checkpoint):
    """Leave the checkpoint of a fit that was stopped after three frames."""

    def interrupt(stage, done, total):
        if stage == "training frames" and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rgnn.ForceField.fit(
            frames, config=force_models.config(), checkpoint=checkpoint, progress=interrupt
        )


def test_interrupted_fit_resumes_to_the_same_model(tmp_path):
    frames, checkpoint = force_models.training_frames(), tmp_path / "fit.npz"
    interrupted_fit(frames, checkpoint)
    done = []
    resumed = rgnn.ForceField.fit(
        frames,
        config=force_models.config(),
        checkpoint=checkpoint,
        resume=True,
        progress=lambda stage, n, total: done.append((stage, n)),
    )
    assert ("training frames", 3) not in done
    whole = force_models.model().readout.weights
    assert resumed.readout.weights == pytest.approx(whole, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("changed", ["frames", "seed", "settings"])
def test_checkpoint_of_something_else_is_refused(tmp_path, changed):
    frames, checkpoint = force_models.training_frames(), tmp_path / "fit.npz"
    config, seed = force_models.config(), 0
    interrupted_fit(frames, checkpoint)
    if changed == "frames":
        moved = replace(frames[0].structure, positions=frames[0].structure.positions + 0.1)
        frames = [replace(frames[0], structure=moved), *frames[1:]]
    elif changed == "seed":
        seed = 1
    else:
        config = replace(config, use_stress=False)
    with pytest.raises(InputError, match="checkpoint of other"):
        rgnn.ForceField.fit(frames, config=config, seed=seed, checkpoint=checkpoint, resume=True)


def test_isolated_atom_and_tiny_cell_are_predicted():
    model = force_models.model()
    lone = rgnn.datasets.load("li3po4-xtb", "test")[0].structure
    lone = replace(lone, positions=lone.positions[:1], numbers=lone.numbers[:1], cell=np.eye(3))
    isolated = replace(lone, pbc=np.zeros(3, bool))
    tiny = replace(lone, cell=2.6 * np.eye(3))
    atom, crystal = model.predict([Frame(s, Labels()) for s in (isolated, tiny)])
    assert atom.forces == pytest.approx(np.zeros((1, 3)))
    assert crystal.forces == pytest.approx(np.zeros((1, 3)), abs=1e-9)
    assert crystal.stress is not None and atom.stress is None


def test_calculator_offers_error_bars():
    atoms = rgnn.io.structures.to_ase(force_models.test_frames()[0])
    atoms.calc = force_models.model().calculator()
    assert atoms.get_forces().shape == atoms.calc.results["forces_std"].shape
    assert atoms.get_stress().shape == (6,)
    assert atoms.calc.results["energy_std"] > 0


def test_groups_are_runs_of_frames_or_what_info_says():
    frames = force_models.training_frames()
    uncertainty = force_models.config().uncertainty
    runs = groups.to_leave_out(frames, uncertainty)
    assert set(runs.values()) <= {0, 1}
    melts = groups.to_leave_out(frames, replace(uncertainty, group_by="melt"))
    for group in set(melts.values()):
        assert len({frames[i].info["melt"] for i, own in melts.items() if own == group}) == 1
    with pytest.raises(InputError, match="no 'phase' in its info"):
        wrong = replace(uncertainty, group_by="phase")
        rgnn.ForceField.fit(frames, config=replace(force_models.config(), uncertainty=wrong))


def test_a_group_of_noisy_frames_is_no_longer_in_rows():
    frames = 6 * force_models.training_frames()
    cut = replace(force_models.config().uncertainty, group_rows=4 * 3 * len(frames[0]))
    assert Counter(groups.to_leave_out(frames, cut).values()) == {0: 4, 1: 4}
    assert Counter(groups.to_leave_out(frames, cut, reads=2).values()) == {0: 2, 1: 2}


def test_frames_of_one_composition_determine_one_constant():
    """More would leave the normal equations singular: nothing tells the elements apart."""
    frames, elements = force_models.training_frames(), (3, 8, 15)
    sums = Sums.zeros(len(frames), 3, 2)
    sums.second += 1.0
    assert Columns.of(sums, frames, elements, None).n_constant == 1
    fewer = [replace(f, structure=without_first_atom(f.structure)) for f in frames[:2]]
    columns = Columns.of(sums, [*fewer, *frames[2:]], elements, None)
    assert columns.n_constant == 2
    assert columns.split(np.eye(8), absolute=True)[1].shape == (8, 3)


def without_first_atom(structure):
    return replace(structure, positions=structure.positions[1:], numbers=structure.numbers[1:])
