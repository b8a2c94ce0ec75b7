"""Columns chosen from a pool: the narrow network is a part of the wide one, and a better one."""

from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest

import force_models
import rgnn
from rgnn.core.errors import InputError
from rgnn.crossbar.build import Block, Periphery, cut
from rgnn.crossbar.lines import of_outputs
from rgnn.reservoir.blueprint import blueprint, keeping
from rgnn.reservoir.build import Calibration, assemble, lines_read
from rgnn.reservoir.config import MessageConfig, ReservoirConfig
from rgnn.tasks.force import engine
from rgnn.tasks.force.model import Predictor

PLAIN = replace(force_models.SMALL, message=MessageConfig(scalars=0))
CHOSEN = replace(PLAIN, candidates=2)


@cache
def model(reservoir: ReservoirConfig = CHOSEN) -> rgnn.ForceField:
    settings = replace(force_models.config(), reservoir=reservoir)
    return rgnn.ForceField.fit(force_models.training_frames(), config=settings, seed=0)


@pytest.fixture(scope="module")
def structure():
    return force_models.test_frames()[0].structure


def test_as_many_columns_are_kept_as_asked_for():
    asked = sum(blueprint(PLAIN, 3).widths)
    assert len(model().calibration.kept) == asked
    skip = model().reservoir.n_skip  # goes around the chip and stays
    assert skip == 12 + 3 * 3 and model().readout.weights.shape[1] == asked + skip
    kept = model().calibration.kept
    assert np.array_equal(kept, np.unique(kept))
    assert min(model().design.widths) >= 1


def test_the_network_is_that_part_of_the_pool(structure):
    """Invariants and derivatives of the kept columns, from the pool and from their own lines."""
    pool = replace(model().calibration, kept=np.zeros(0, np.int64))
    whole = replace(model(), calibration=pool)
    with engine.arithmetic("float64"):
        around = engine.Builder(whole.elements, CHOSEN)(structure)
        wide, narrow = (
            engine.as_numpy(engine.design(m.reservoir, around, None)) for m in (whole, model())
        )
    skip = whole.reservoir.n_skip
    own = np.concatenate([np.arange(skip), skip + model().calibration.kept])
    assert narrow.invariants == pytest.approx(wide.invariants[:, own], rel=1e-12)
    assert narrow.full == pytest.approx(wide.full[..., own], rel=1e-9, abs=1e-12)


def test_a_part_of_a_pool_with_messages():
    """Columns of message densities are kept by the same rule, in a layer of their own."""
    reservoir = replace(force_models.SMALL, candidates=2)
    pool = blueprint(reservoir, 3)
    rng = np.random.default_rng(0)
    kept = np.sort(rng.choice(sum(pool.widths), sum(pool.widths) // 2, replace=False))
    chip = rgnn.Chip.sample(seed=0, macros=4)
    start = Calibration(
        np.full((3, 3), 2.0),
        np.ones(sum(n_in for _, n_in in pool.all_shapes)),
        np.ones(len(pool.source)),
        np.zeros(2),
        np.ones(2),
    )
    blocks = cut(chip, pool.all_shapes)
    found = []
    with engine.arithmetic("float64"):
        around = engine.Builder((3, 8, 15), reservoir)(force_models.test_frames()[0].structure)
        for own in (start, replace(start, kept=kept)):
            lines = lines_read(pool, blocks, own.kept)
            network = assemble(reservoir, own, lines, Periphery("exact"), "float64")
            found.append(np.asarray(network.features(around)))
    skip = network.n_skip
    columns = np.concatenate([np.arange(skip), skip + kept])
    assert found[1] == pytest.approx(found[0][:, columns], rel=1e-10, abs=1e-14)


def test_forces_are_minus_the_gradient_of_the_energy(structure):
    predictor = Predictor(model())
    h, atom, axis = 1e-4, 17, 1

    def predict(shift):
        positions = structure.positions.copy()
        positions[atom, axis] += shift
        moved = replace(structure, positions=positions)
        return predictor(moved, key=jax.random.key(0), uncertainty=False)

    slope = (predict(h).energy - predict(-h).energy) / (2 * h)
    assert predict(0.0).forces[atom, axis] == pytest.approx(-slope, abs=1e-6)


def test_forces_turn_with_the_structure_and_follow_its_order(structure):
    predictor, key = Predictor(model()), jax.random.key(0)
    rng = np.random.default_rng(1)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    order = rng.permutation(len(structure))
    moved = replace(
        structure,
        positions=(structure.positions @ rotation.T)[order],
        numbers=structure.numbers[order],
        cell=structure.cell @ rotation.T,
    )
    before, after = (predictor(s, key=key, uncertainty=False) for s in (structure, moved))
    assert after.energy == pytest.approx(before.energy, rel=1e-9)
    assert after.forces == pytest.approx((before.forces @ rotation.T)[order], abs=1e-8)


def test_chosen_columns_survive_storage_and_other_rungs(tmp_path):
    path = tmp_path / "model.rgnn"
    model().save(path)
    frames = force_models.test_frames()[:1]
    before = model().predict(frames, uncertainty=False)[0]
    stored = rgnn.load(path)
    assert np.array_equal(stored.predict(frames, uncertainty=False)[0].forces, before.forces)
    noisy = stored.on(periphery=Periphery("crossbar")).predict(frames, uncertainty=False)[0]
    difference = np.abs(noisy.forces - before.forces).mean()
    assert 0 < difference < np.abs(before.forces).mean()


def test_lines_that_are_never_read_do_not_count_as_weights():
    pool = sum(a * b for a, b in blueprint(CHOSEN, 3).all_shapes)
    assert model().weights_count["frozen_weights"] < 0.7 * pool
    counted = model().weights_count["trained_weights"]
    assert counted > model().readout.weights.size + len(model().calibration.kept)


def test_choosing_beats_not_choosing_on_frames_never_seen():
    frames = rgnn.datasets.load("li3po4-xtb", "test")[::8]
    errors = [m.evaluate(frames)["force_mae_meV_per_A"] for m in (model(), model(PLAIN))]
    assert errors[0] < errors[1]


def test_a_prior_shares_the_chosen_columns():
    frames = force_models.training_frames()[:2]
    again = rgnn.ForceField.fit(frames, prior=model(), seed=1)
    assert np.array_equal(again.calibration.kept, model().calibration.kept)
    assert again.reservoir.n_feature == model().reservoir.n_feature


@pytest.mark.parametrize("wiring", ["pairs", "shared"])
def test_lines_of_some_outputs_give_their_rows_of_the_matrix(wiring):
    rng = np.random.default_rng(0)
    shape = (10, 4) if wiring == "pairs" else (5, 5)
    block = Block(((rng.random(shape), rng.random(shape)),), 1.0, wiring)
    rows = np.array([1, 4])
    assert np.array_equal(of_outputs(block, rows).weight, block.weight[rows])


def test_keeping_nothing_in_particular_keeps_everything():
    pool = blueprint(CHOSEN, 3)
    same, lines = keeping(pool, np.zeros(0, np.int64))
    again, all_lines = keeping(pool, np.arange(sum(pool.widths)))
    assert same is pool and again == pool
    assert all(np.array_equal(a, b) for a, b in zip(lines, all_lines, strict=True))


def test_no_candidates_are_refused():
    with pytest.raises(InputError, match="candidates"):
        ReservoirConfig(candidates=0)


def test_assembling_reads_only_kept_lines():
    with engine.arithmetic("float64"):
        network = assemble(
            CHOSEN, model().calibration, model().blocks, Periphery("exact"), "float64"
        )
    rows = [mv.weight.shape[0] for mv in network.layer.mixing]
    assert rows == [n_out for n_out, _ in model().design.shapes["density"]]
