"""The complete basis: every combination of single channels once; random products in its span."""

from dataclasses import replace
from functools import cache
from itertools import combinations_with_replacement

import jax
import numpy as np
import pytest

import force_models
import rgnn
from rgnn.core.errors import InputError
from rgnn.reservoir.blueprint import blueprint
from rgnn.reservoir.complete import combinations
from rgnn.reservoir.config import ReservoirConfig
from rgnn.run.cost import Order, account
from rgnn.tasks.force import engine
from rgnn.tasks.force.model import Predictor
from rgnn.tasks.force.rows import assemble

BASIS = ReservoirConfig(
    cutoff=3.5,
    n_radial=2,
    lmax=1,
    single_width=6,
    pair_width=21,
    triple_width=126,
    family="complete",
)
"""All of it: 6 channels, 21 pairs and at most 126 triples of one combination of degrees."""


ATTRIBUTES = replace(
    BASIS,
    pair_width=8,
    triple_width=8,
    message=replace(force_models.SMALL.message, pair_width=40),
)
"""The basis as attributes of the nodes of a network with messages."""


@cache
def with_messages(rung):
    settings = replace(force_models.config(rung), reservoir=ATTRIBUTES)
    return rgnn.ForceField.fit(force_models.training_frames(), config=settings, seed=0)


@pytest.fixture(scope="module")
def model():
    settings = replace(force_models.config(), reservoir=BASIS)
    return rgnn.ForceField.fit(force_models.training_frames(), config=settings, seed=0)


def test_every_combination_of_equal_degrees_is_there_once():
    found = combinations((0, 0, 0), np.ones(4))
    assert sorted(map(tuple, found.tolist())) == list(combinations_with_replacement(range(4), 3))
    assert len(combinations((0, 1, 1), np.ones(4))) == 4 * 10


def test_smooth_combinations_come_first():
    weight = np.array([1.0, 0.5, 0.1])
    products = weight[combinations((0, 1), weight)].prod(axis=1)
    assert (np.diff(products) <= 0).all()
    assert products[0] == 1.0


def test_paths_of_the_same_degrees_share_their_combinations():
    """(0, 1) → 1 and (1, 1) → 0 couple the same densities to the same scalar."""
    products = blueprint(BASIS, 3).own
    mixed = [p.width for p in products if sorted(p.degrees) == [0, 1, 1]]
    assert sum(mixed) == 6 * 21


def test_random_products_lie_in_its_span(model):
    frames = [f.structure for f in rgnn.datasets.load("li3po4-xtb", "train")[::12]]
    random = replace(BASIS, family="random", single_width=2, pair_width=2, triple_width=2)
    settings = replace(force_models.config(), reservoir=random)
    other = rgnn.ForceField.fit(force_models.training_frames(), config=settings, seed=0)
    features = []
    for field in (model, other):
        predictor = Predictor(field)
        with jax.enable_x64(True):
            own = [np.asarray(field.reservoir.features(predictor.build(s)))[:48] for s in frames]
        features.append(np.concatenate(own))
    basis = features[0] / np.maximum(np.abs(features[0]).max(axis=0), 1e-300)
    solution, *_ = np.linalg.lstsq(basis, features[1], rcond=1e-15)
    left = np.abs(basis @ solution - features[1]).max(axis=0) / np.abs(features[1]).max(axis=0)
    assert len(basis) > 3 * basis.shape[1]
    assert left.max() < 1e-7


def test_it_needs_no_chip_and_is_all_trained(model):
    assert model.weights_count["frozen_weights"] == 0
    assert model.weights_count["trained_fraction"] == 1.0
    assert not model.reservoir.noisy
    other = rgnn.ForceField.fit(
        force_models.training_frames(),
        config=replace(force_models.config(), reservoir=BASIS),
        seed=9,
    )
    frames = force_models.test_frames()[:1]
    first, second = (m.predict(frames, uncertainty=False)[0].forces for m in (model, other))
    assert first == pytest.approx(second, abs=0.05 * np.abs(first).mean())


def test_it_learns_and_survives_storage(model, tmp_path):
    frames = force_models.test_frames()
    assert model.evaluate(frames)["force_relative_error"] < 0.4
    model.save(tmp_path / "model.rgnn")
    stored = rgnn.load(tmp_path / "model.rgnn").predict(frames[:1], uncertainty=False)[0]
    assert np.array_equal(stored.forces, model.predict(frames[:1], uncertainty=False)[0].forces)


@pytest.mark.parametrize("more", [{"candidates": 2}, {"skip_width": 2}])
def test_what_has_no_meaning_there_is_refused(more):
    with pytest.raises(InputError, match="complete family"):
        replace(BASIS, **more)


def test_there_is_no_chip_to_bill(model, tmp_path):
    model.save(tmp_path / "model.rgnn")
    with pytest.raises(InputError, match="nothing off a chip"):
        account(Order(tmp_path / "model.rgnn"))


def test_messages_are_read_from_the_basis_on_the_chip():
    design = blueprint(ATTRIBUTES, 3)
    assert design.shapes["density"] == design.shapes["source"] == []
    assert design.shapes["projection"] == [(2, sum(p.width for p in design.source))]
    for matrices in design.digital.values():
        assert all(
            (rows.sum(axis=1) == 1).all() and (rows.max(axis=1) == 1).all()
            for rows in matrices
            if len(rows)
        )
    field = with_messages("exact")
    blocks = [shape for shape in design.all_shapes if shape[0]]
    assert field.weights_count["frozen_weights"] == sum(a * b for a, b in blocks)
    network = field.reservoir
    assert network.n_feature == network.n_skip + sum(design.widths) and not network.noisy


def test_a_message_meets_every_channel_of_the_basis_in_turn():
    """40 columns of pairs on 6 channels: each serves several random message columns."""
    design = blueprint(ATTRIBUTES, 3)
    pair = next(p for p in design.message if p.degrees == (1, 1))
    first = pair.factors[0]
    rows = design.digital["density"][1][first.start : first.start + pair.width]
    assert pair.width == 40
    assert set(rows.sum(axis=0)) == {6, 7}


def test_forces_behind_messages_are_the_gradient_and_the_rows_of_the_fit():
    field, structure = with_messages("exact"), force_models.test_frames()[0].structure
    predictor, h, atom, axis = Predictor(field), 1e-3, 11, 2

    def predict(shift):
        positions = structure.positions.copy()
        positions[atom, axis] += shift
        moved = replace(structure, positions=positions)
        return predictor(moved, key=jax.random.key(0), uncertainty=False)

    here = predict(0.0)
    slope = (predict(h).energy - predict(-h).energy) / (2 * h)
    assert here.forces[atom, axis] == pytest.approx(-slope, abs=1e-5)
    with engine.arithmetic("float64"):
        around = predictor.build(structure)
        rows = assemble(around, 3, engine.as_numpy(engine.design(field.reservoir, around, None)))
    found = np.tensordot(rows.forces, field.readout.weights, axes=2)
    np.testing.assert_allclose(found, here.forces, atol=1e-9)


def test_it_learns_with_messages_and_survives_noise_storage_and_billing(tmp_path):
    frames = force_models.test_frames()
    exact, noisy = with_messages("exact"), with_messages("crossbar")
    assert exact.evaluate(frames)["force_relative_error"] < 0.4
    assert noisy.evaluate(frames)["force_relative_error"] < 0.5
    assert noisy.reservoir.noisy
    two = [noisy.predict(frames[:1], seed=k, uncertainty=False)[0].forces for k in (0, 1)]
    assert 0 < np.abs(two[0] - two[1]).mean() < 0.1 * np.abs(two[0]).mean()
    noisy.save(tmp_path / "model.rgnn")
    again = rgnn.load(tmp_path / "model.rgnn").predict(frames[:1], uncertainty=False)[0]
    assert np.array_equal(again.forces, two[0])
    bill = account(Order(tmp_path / "model.rgnn"))
    assert {a.name.split()[0] for a in bill.workload.arrays} == {"projection", "message"}
