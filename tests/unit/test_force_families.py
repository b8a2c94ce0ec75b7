"""Attention and gated scalars as kinds of messages, near radial functions, tilted widths."""

from dataclasses import replace

import ase
import jax
import numpy as np
import pytest

import force_models
import rgnn
from rgnn.core.errors import InputError
from rgnn.crossbar.build import Periphery
from rgnn.reservoir.config import MessageConfig, ReservoirConfig
from rgnn.reservoir.products import ColumnCounter, plan
from rgnn.tasks.force import engine
from rgnn.tasks.force.model import Predictor
from rgnn.tasks.force.rows import assemble

ATTENTION = replace(force_models.SMALL.message, kind="attention")
SCALAR_ONLY = MessageConfig(
    scalars=2, kind="gated", source_width=0, cutoff=2.5, n_radial=3, single_width=6, pair_width=0,
    triple_width=0,
)  # fmt: skip
NETWORKS = {
    "attention": replace(force_models.SMALL, message=ATTENTION, near=1.8, lmax=1, triple_width=0),
    "gated": replace(
        force_models.SMALL, message=SCALAR_ONLY, skip_width=0, pair_width=0, triple_width=0, lmax=0
    ),
}


@pytest.fixture(scope="module", params=NETWORKS)
def model(request):
    config = replace(force_models.config(), reservoir=NETWORKS[request.param])
    return rgnn.ForceField.fit(force_models.training_frames(), config=config, seed=0)


@pytest.fixture(scope="module")
def structure():
    return force_models.test_frames()[0].structure


def test_forces_and_stress_are_derivatives_of_the_energy(model, structure):
    predictor, h = Predictor(model), 1e-4

    def found(moved):
        return predictor(moved, key=jax.random.key(0), uncertainty=False)

    def slope(move):
        return (found(move(h)).energy - found(move(-h)).energy) / (2 * h)

    def shifted(step, atom=17, axis=1):
        positions = structure.positions.copy()
        positions[atom, axis] += step
        return replace(structure, positions=positions)

    def strained(step):
        deform = np.eye(3)
        deform[[1, 2], [2, 1]] += step / 2
        return replace(
            structure, positions=structure.positions @ deform, cell=structure.cell @ deform
        )

    here = found(structure)
    assert here.forces[17, 1] == pytest.approx(-slope(shifted), abs=1e-6)
    assert here.stress[1, 2] == pytest.approx(slope(strained) / structure.volume, abs=1e-7)


def test_training_rows_and_predictions_are_the_same_model(model, structure):
    with engine.arithmetic("float64"):
        around = engine.Builder(model.elements, model.config.reservoir)(structure)
        design = engine.as_numpy(engine.design(model.reservoir, around, None))
        rows = assemble(around, len(model.elements), design)
    found = Predictor(model)(structure, key=jax.random.key(0), uncertainty=False)
    forces = np.tensordot(rows.forces, model.readout.weights, axes=((2, 3), (0, 1)))
    assert forces == pytest.approx(found.forces, abs=1e-10)


def test_forces_stay_derivatives_where_a_neighbour_leaves_the_reach_of_messages(model):
    reach, h = model.config.reservoir.message.cutoff, 1e-4
    numbers = force_models.test_frames()[0].structure.numbers[[0, 20, 40]]

    def found(distance):
        positions = np.array([[0, 0, 0], [1.6, 0, 0], [1.6 + distance, 0, 0]])
        return model.predict([ase.Atoms(numbers, positions)], uncertainty=False)[0]

    slope = (found(reach + h).energy - found(reach - h).energy) / (2 * h)
    assert found(reach).forces[2, 0] == pytest.approx(-slope, abs=1e-5)


@pytest.mark.parametrize("model", ["gated"], indirect=True)
def test_two_reads_of_a_noisy_chip_differ_by_little(model, structure):
    noisy = Predictor(model.on(periphery=Periphery("crossbar"), chip=model.chip.with_noise(1e-4)))
    exact = Predictor(model)(structure, key=jax.random.key(0), uncertainty=False).forces
    reads = [noisy(structure, key=jax.random.key(k), uncertainty=False).forces for k in (1, 2)]
    assert not np.array_equal(*reads)
    for read in reads:
        assert np.abs(read - exact).mean() < 0.2 * np.abs(exact).mean()


@pytest.mark.parametrize(
    "wrong",
    [{"near": 9.0}, {"near": -1.0}, {"far_weight": -1.0}, {"tilt": -1.0}],
    ids=lambda w: next(iter(w)),
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        ReservoirConfig(**wrong)


def test_tilt_widens_paths_of_high_degree_and_keeps_the_mean():
    even, tilted = (plan((8, 20, 60), 3, 2, 0, ColumnCounter(), tilt) for tilt in (0.0, 0.25))
    assert {product.width for product in even} == {8, 20, 60}
    by_degrees = {product.degrees: product.width for product in tilted}
    assert by_degrees[0,] == 8
    assert by_degrees[3, 3, 2] == pytest.approx(3 * by_degrees[0, 0, 0], abs=1)  # 1 + 8/4 : 1
    assert abs(sum(p.width for p in tilted) - sum(p.width for p in even)) < len(even)
