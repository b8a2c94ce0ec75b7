"""A gated readout: the product of two readouts, trained by alternating least squares."""

from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest

import force_models
import rgnn
from rgnn.core.errors import InputError
from rgnn.crossbar.build import Periphery
from rgnn.reservoir.config import MessageConfig
from rgnn.reservoir.reservoir import Reservoir
from rgnn.tasks.force import engine
from rgnn.tasks.force.config import GateConfig
from rgnn.tasks.force.gate import Gated
from rgnn.tasks.force.model import Predictor
from rgnn.tasks.force.readout import Readout
from rgnn.tasks.force.refine import refine
from rgnn.tasks.force.rows import assemble

PLAIN = replace(force_models.SMALL, lmax=1, message=MessageConfig(scalars=0))
KEY = jax.random.key(0)


@cache
def model(rounds: int = 2) -> rgnn.ForceField:
    settings = replace(force_models.config(), reservoir=PLAIN, gate=GateConfig(rounds))
    return rgnn.ForceField.fit(rgnn.datasets.load("li3po4-xtb", "train")[::8], config=settings)


@pytest.fixture(scope="module")
def structure():
    return force_models.test_frames()[0].structure


def test_forces_are_minus_the_gradient_of_the_energy(structure):
    assert model().gate is not None
    predictor, h, atom, axis = Predictor(model()), 1e-4, 17, 1

    def predict(shift):
        positions = structure.positions.copy()
        positions[atom, axis] += shift
        moved = replace(structure, positions=positions)
        return predictor(moved, key=KEY, uncertainty=False)

    slope = (predict(h).energy - predict(-h).energy) / (2 * h)
    assert predict(0.0).forces[atom, axis] == pytest.approx(-slope, abs=1e-6)


def test_rows_of_the_gated_network_times_weights_are_its_predictions(structure):
    """Training and inference are two routes to the product of two readouts."""
    own = model()
    with engine.arithmetic("float64"):
        around = engine.Builder(own.elements, own.config.reservoir)(structure)
        rows = assemble(around, 3, engine.as_numpy(engine.design(own.reservoir, around, None)))
    found = own.predict([force_models.test_frames()[0]], uncertainty=False)[0]
    forces = np.tensordot(rows.forces, own.readout.weights, axes=((2, 3), (0, 1)))
    assert forces == pytest.approx(found.forces, abs=1e-9)
    species = np.searchsorted(own.elements, structure.numbers)
    energy = (rows.energy * own.readout.weights).sum() + own.readout.offset[species].sum()
    assert energy == pytest.approx(found.energy, abs=1e-7)


def test_the_energy_is_a_product_of_two_readouts(structure):
    own = model()
    assert isinstance(own.reservoir, Gated) and own.gate is not None
    with engine.arithmetic("float64"):
        around = engine.Builder(own.elements, own.config.reservoir)(structure)
        network = own.reservoir.network
        features = np.asarray(engine.features(network, around, None))[: len(structure)]
    species = np.searchsorted(own.elements, structure.numbers)
    always, behind = np.split(own.readout.weights[species], 2, axis=1)
    h = own.gate.of(features, species)
    sites = (always * features).sum(1) + h * (behind * features).sum(1)
    energy = sites.sum() + own.readout.offset[species].sum()
    found = own.predict([force_models.test_frames()[0]], uncertainty=False)[0]
    assert energy == pytest.approx(found.energy, abs=1e-7)


def test_a_gate_predicts_left_out_frames_better_or_there_is_none():
    errors = [model(rounds).readout.summary["left_out_force_rmse"] for rounds in (0, 2)]
    assert errors[1] < errors[0]
    assert model(0).gate is None
    frames = rgnn.datasets.load("li3po4-xtb", "test")[::8]
    unseen = [model(rounds).evaluate(frames)["force_mae_meV_per_A"] for rounds in (0, 2)]
    assert unseen[1] < unseen[0]


def test_a_gate_that_does_not_help_is_left_out():
    """The solver here always returns a worse readout."""
    n = 4
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(20, n)), rng.integers(0, 2, 20)
    start = readout(n, left_out=1.0)
    passed: list[tuple[int, int]] = []

    def solve(own, kinds):
        passed.append((own.n_feature, len(kinds)))
        return readout(own.n_feature, left_out=2.0)

    with engine.arithmetic("float64"):
        gate, found = refine(network_of(n), start, np.array([0, 0, 1, 1]), seen, 2, 2, solve)
    assert gate is None and found is start
    assert passed == [(8, 8), (6, 6), (8, 8)]  # behind the gate all, the gate's own, all


def network_of(n_feature: int) -> Reservoir:
    """Return some network; only its count of features is looked at."""
    network = model(0).reservoir
    assert isinstance(network, Reservoir)
    cut = replace(network.plan[0], width=n_feature - network.n_skip)
    object.__setattr__(network := jax.tree.map(lambda a: a, network), "plan", (cut,))
    return network


def readout(n: int, left_out: float) -> Readout:
    rng = np.random.default_rng(1)
    draws = rng.normal(size=(2, 2, n)).astype(np.float32)
    weights, noise = rng.normal(size=(2, n)), np.ones(2)
    summary = {"left_out_force_rmse": left_out}
    return Readout(weights, noise, draws, rng.normal(size=(2, 2)), 1.0, noise, 1.0, summary)


def test_gated_models_survive_storage_and_run_on_a_noisy_chip(tmp_path):
    path = tmp_path / "model.rgnn"
    model().save(path)
    frames = force_models.test_frames()[:1]
    before = model().predict(frames)[0]
    stored = rgnn.load(path)
    assert np.array_equal(stored.predict(frames)[0].forces, before.forces)
    assert before.forces_std.min() > 0
    noisy = stored.on(periphery=Periphery("crossbar")).predict(frames, uncertainty=False)[0]
    difference = np.abs(noisy.forces - before.forces).mean()
    assert 0 < difference < np.abs(before.forces).mean()


def test_weights_of_the_gate_count_as_trained():
    counts = [model(rounds).weights_count for rounds in (0, 2)]
    gate = model().gate
    assert gate is not None
    more = counts[1]["trained_weights"] - counts[0]["trained_weights"]
    assert more == model(0).readout.weights.size + gate.weights.size + 3
    assert counts[1]["frozen_weights"] == counts[0]["frozen_weights"]


def test_a_prior_shares_the_gate():
    frames = force_models.training_frames()[:2]
    again = rgnn.ForceField.fit(frames, prior=model(), seed=1)
    assert again.gate is model().gate
    assert again.readout.weights.shape == model().readout.weights.shape


def test_messages_and_gates_exclude_each_other():
    with pytest.raises(InputError, match="without messages"):
        replace(force_models.config(), gate=GateConfig(1))
    with pytest.raises(InputError, match="rounds"):
        GateConfig(-1)
