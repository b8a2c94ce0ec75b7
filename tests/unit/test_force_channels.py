"""Trained channels beside the chip."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase import Atoms
from scipy.spatial.transform import Rotation

import force_models
import rgnn
from rgnn.core.errors import InputError
from rgnn.cost.count import Messages, force_workload
from rgnn.crossbar.build import Periphery
from rgnn.crossbar.channels import Channels
from rgnn.crossbar.matvec import Exact
from rgnn.io.structures import structure_of
from rgnn.readout.halves import crossed
from rgnn.reservoir.beside import Beside
from rgnn.reservoir.blueprint import blueprint
from rgnn.reservoir.config import MessageConfig, ReservoirConfig, TrainedConfig
from rgnn.reservoir.trained_message import paths
from rgnn.tasks.force import engine, learning, storage
from rgnn.tasks.force.config import GateConfig, LearningConfig, RadialConfig
from rgnn.tasks.force.model import Predictor

TRAINED = TrainedConfig(channels=5, pair_width=6, triple_width=4)
PLAIN = replace(force_models.SMALL, message=MessageConfig(scalars=0), trained=TRAINED)
TALKING = replace(
    force_models.SMALL,
    trained=TRAINED,
    skip_width=2,
    message=replace(force_models.SMALL.message, cutoff=3.0, vectors=2),
)
"""With messages that are trained as well."""

KEY = jax.random.key(0)


@cache
def model(steps: int = 3, network: ReservoirConfig = PLAIN) -> rgnn.ForceField:
    settings = replace(
        force_models.config(), reservoir=network, channels=LearningConfig(steps, features=12)
    )
    return rgnn.ForceField.fit(rgnn.datasets.load("li3po4-xtb", "train")[::16], config=settings)


def test_channels_are_one_matrix():
    rng = np.random.default_rng(0)
    picks, channels = rng.normal(size=(2, 6)), rng.normal(size=(3, 6))
    with engine.arithmetic("float64"):
        mv = Channels(picks=jnp.asarray(picks), channels=jnp.asarray(channels), wiring=(2, 0, 2))  # pyright: ignore[reportCallIssue]
        whole = np.concatenate([picks, channels[[2, 0, 2]]])
        x = jnp.asarray(rng.normal(size=(4, 6)))
        for read in (mv, mv.tangent, Exact(mv.weight), lambda x: mv.repeated(x, 2)):
            np.testing.assert_allclose(read(x), x @ whole.T)
        np.testing.assert_allclose(mv.tangent_law(x).drive @ mv.weight.T, x @ whole.T)
        np.testing.assert_allclose(mv.driven(2, 4)(x[:, 2:4]), x[:, 2:4] @ whole[:, 2:4].T)
        assert mv.read_variance.shape == (5, 0)


def test_every_channel_is_used_and_none_more_than_once_more_than_others():
    design = blueprint(PLAIN, 3)
    for degree, wiring in enumerate(design.wiring):
        counts = np.bincount(wiring, minlength=TRAINED.channels)
        assert counts.max() - counts.min() <= 1
        columns = [f for p in design.skip for f in p.factors if f.degree == degree]
        widths = [p.width for p in design.skip for f in p.factors if f.degree == degree]
        taken = [
            c for f, w in zip(columns, widths, strict=True) for c in range(f.start, f.start + w)
        ]
        assert sorted(taken) == list(range(len(design.skip_mixing[degree]) + len(wiring)))
    assert blueprint(replace(PLAIN, trained=TrainedConfig()), 3).wiring == ()


def test_components_of_vectors_couple_to_the_degrees_beside_their_own():
    assert paths(2) == [(1, 0), (0, 1), (2, 1), (1, 2)]


networks = pytest.mark.parametrize("network", [PLAIN, TALKING], ids=["channels", "messages"])


@networks
def test_derivative_is_that_of_solving_again(network):
    """The error between the halves after a small change, everything solved again."""
    own = model(network=network)
    frames = rgnn.datasets.load("li3po4-xtb", "train")[:8:2]
    network, part = own.reservoir, learning.BESIDE
    with engine.arithmetic("float64"):
        build = engine.Builder(own.elements, own.config.reservoir)
        data = learning._data(frames, build, "")
        scale = learning._units(network, data)
        halves = learning._halves(network, data, scale)
        strength = 1e-6 * float(np.diagonal(halves[0].gram).mean())
        found = crossed(halves, strength)
        gradient = learning._gradient(network, part, data, halves, found, scale)
        rng = np.random.default_rng(1)
        direction = jax.tree.map(lambda g: rng.normal(size=g.shape), gradient)

        def loss(step: float) -> float:
            values = jax.tree.map(
                lambda v, d: engine.as_dtype(np.asarray(v) + step * d, "float64"),
                part.take(network),
                direction,
            )
            own = learning._halves(part.put(network, values), data, scale)
            return crossed(own, strength).error ** 2 * (own[0].judged + own[1].judged) / 2

        step = 1e-5
        slope = (loss(step) - loss(-step)) / (2 * step)
    along = sum(float((g * d).sum()) for g, d in zip(gradient, direction, strict=True))
    assert along == pytest.approx(slope, rel=1e-4)


@networks
def test_learning_helps_the_halves_and_changes_nothing_on_the_chip(network):
    own, random = model(network=network), model(0, network)
    summary = own.readout.summary
    assert summary["halves_force_rmse_after"] < 0.98 * summary["halves_force_rmse_before"]
    assert not [name for name in random.readout.summary if name.startswith("halves")]
    learnt, first, shapes = own.calibration.beside, random.calibration.beside, [(3, 5, 12)]
    if network.listens:
        told = 12 + 3 * 2 + 3 * TRAINED.pair_width
        shapes += [(3, 5, 6), (4, 5, 6), (3, 2, told), (3, 2, 12)]
    for mine, theirs, shape in zip(learnt, first, shapes, strict=False):
        assert mine.shape == theirs.shape == shape
        assert np.abs(mine - theirs).max() > 0.05
    for mine, theirs in zip(own.blocks, random.blocks, strict=True):
        np.testing.assert_array_equal(mine.weight, theirs.weight)
    bare = replace(own.calibration, beside=Beside.nothing())
    assert own.calibration.size == bare.size + sum(np.prod(shape) for shape in shapes)


def test_what_is_heard_turns_with_the_structure():
    """Energies of a turned structure are the same: vectors that neighbours say turn with it."""
    own = model(network=TALKING)
    structure = force_models.test_frames()[0].structure
    turn = Rotation.from_rotvec([0.3, -1.1, 0.7]).as_matrix()
    turned = replace(
        structure, positions=structure.positions @ turn.T, cell=structure.cell @ turn.T
    )
    found, again = (Predictor(own)(s, key=KEY, uncertainty=False) for s in (structure, turned))
    assert again.energy == pytest.approx(found.energy, rel=1e-6)
    np.testing.assert_allclose(again.forces, found.forces @ turn.T, atol=2e-4)


def test_what_a_trained_message_says_reaches_further_than_any_neighbour():
    """An atom pulls on another one that only a third one hears of."""
    own = model(network=TALKING)
    atoms = Atoms("OPLi", [[0, 0, 0], [2.6, 0, 0], [5.2, 0, 0]])
    far = Predictor(own)(structure_of(atoms), key=KEY, uncertainty=False)
    atoms.positions[2, 1] += 0.3
    moved = Predictor(own)(structure_of(atoms), key=KEY, uncertainty=False)
    assert 5.2 > own.config.reservoir.cutoff
    assert np.abs(moved.forces[0] - far.forces[0]).max() > 1e-6


def test_stress_holds_what_messages_say():
    own, h = model(network=TALKING), 1e-4
    structure = force_models.test_frames()[0].structure
    predictor, strain = Predictor(own), np.array([[0.3, 0.2, 0], [0.2, -0.5, 0.1], [0, 0.1, 0.4]])

    def energy(amount: float) -> float:
        turn = np.eye(3) + amount * strain
        bent = replace(structure, positions=structure.positions @ turn, cell=structure.cell @ turn)
        return predictor(bent, key=KEY, uncertainty=False).energy

    slope = (energy(h) - energy(-h)) / (2 * h)
    stress = predictor(structure, key=KEY, uncertainty=False).stress
    assert structure.volume * (stress * strain).sum() == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize(
    ("rung", "network"),
    [
        ("exact", PLAIN),
        ("quantised", PLAIN),
        ("crossbar", PLAIN),
        ("exact", TALKING),
        ("crossbar", TALKING),
    ],
)
def test_forces_are_minus_the_gradient_of_the_energy(rung, network):
    """On noisy rungs what goes past the chip only: the readout of everything else is taken away."""
    own = model(network=network).on(periphery=Periphery(rung))
    beside = own.reservoir.n_skip
    weights = own.readout.weights.copy()
    weights[:, beside:] = 0 if rung != "exact" else weights[:, beside:]
    own = replace(own, readout=replace(own.readout, weights=weights))
    structure = force_models.test_frames()[0].structure
    predictor, h, atom, axis = Predictor(own), 1e-3, 17, 1

    def predict(shift: float):
        positions = structure.positions.copy()
        positions[atom, axis] += shift
        return predictor(replace(structure, positions=positions), key=KEY, uncertainty=False)

    slope = (predict(h).energy - predict(-h).energy) / (2 * h)
    found = predict(0.0).forces
    assert found[atom, axis] == pytest.approx(-slope, abs=1e-5)
    assert np.abs(found).max() > 0.1


@pytest.mark.parametrize(
    ("rung", "network"), [("exact", PLAIN), ("crossbar", PLAIN), ("exact", TALKING)]
)
def test_a_structure_may_lack_an_element(rung, network):
    """As do the pure elements of a set of many compositions."""
    structure = force_models.test_frames()[0].structure
    kept = structure.numbers != 15
    fewer = replace(structure, numbers=structure.numbers[kept], positions=structure.positions[kept])
    predictor = Predictor(model(network=network).on(periphery=Periphery(rung)))
    found = predictor(fewer, key=KEY, uncertainty=False)
    assert np.isfinite(found.energy) and np.abs(found.forces).max() > 0.01
    assert np.isfinite(found.forces).all() and np.isfinite(found.stress).all()


@networks
def test_rows_of_the_fit_are_the_forces(network):
    own, frame = model(network=network), force_models.test_frames()[0]
    with engine.arithmetic("float64"):
        around = engine.Builder(own.elements, own.config.reservoir)(frame.structure)
        design = engine.as_numpy(engine.design(own.reservoir, around, None))
        rows = learning.assemble(around, len(own.elements), design)
    forces = rows.forces.reshape(3 * len(frame), -1) @ own.readout.weights.ravel()
    expected = Predictor(own)(frame.structure, key=KEY, uncertainty=False).forces
    np.testing.assert_allclose(forces, expected.ravel(), atol=1e-8)


@networks
def test_files_hold_what_was_learnt(tmp_path, network):
    own = model(network=network)
    storage.save(own, tmp_path / "model.safetensors")
    again = storage.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(
        again.calibration.beside.channels, own.calibration.beside.channels
    )
    frame = force_models.test_frames()[0]
    one, two = (m.predict([frame], uncertainty=False)[0].forces for m in (own, again))
    np.testing.assert_array_equal(one, two)


def test_a_gate_and_chosen_columns_go_with_them():
    settings = replace(
        force_models.config(),
        reservoir=replace(PLAIN, candidates=2),
        channels=LearningConfig(1, features=12),
        gate=GateConfig(1),
    )
    own = rgnn.ForceField.fit(force_models.training_frames(), config=settings)
    found = own.evaluate(force_models.test_frames())
    assert np.isfinite(found["force_rmse_meV_per_A"])


def test_chosen_columns_go_with_messages():
    settings = replace(
        force_models.config(),
        reservoir=replace(TALKING, candidates=2),
        channels=LearningConfig(1, features=12),
    )
    own = rgnn.ForceField.fit(force_models.training_frames(), config=settings)
    assert sum(own.design.widths) == sum(blueprint(settings.reservoir, 3).widths) // 2
    assert own.readout.weights.shape[1] == own.reservoir.n_feature
    found = own.evaluate(force_models.test_frames())
    assert np.isfinite(found["force_rmse_meV_per_A"])


def test_frames_take_turns_so_that_all_of_them_teach():
    frames = rgnn.datasets.load("li3po4-xtb", "train")[:30]
    assert [list(own) for own in learning._turns(frames, 10**6)] == [frames]
    turns = learning._turns(frames, 3 * 48 * 11)
    assert sorted(map(len, turns)) == [10, 10, 10]
    assert {id(f) for own in turns for f in own} == {id(f) for f in frames}
    assert min(len(own) for own in learning._turns(frames, 3)) >= learning._FEWEST


def test_the_bill_holds_their_digital_work():
    sizes = {"n_species": 3, "n_radial": 4, "n_feature": 10, "n_atoms": 5, "n_neighbours": 20}
    without = force_workload({}, **sizes)
    found = force_workload({}, **sizes, channels=[(2, 12), (2, 12)])
    mixing, pairs = 2 * 5 * (1 + 3) * 2 * 12, 2 * 100 * (1 + 3) * 4
    assert found.digital_macs - without.digital_macs == mixing + pairs
    messages = Messages([(2, 6), (2, 8)], densities=9, telling=21, vectors=5, coupling=4)
    found = force_workload({}, **sizes, messages=messages)
    mixing, pairs, told = 2 * 5 * 2 * (1 * 6 + 3 * 8), 2 * 100 * (1 + 3) * 9, 2 * 5 * (21 + 5 + 4)
    assert found.digital_macs - without.digital_macs == mixing + pairs + told


@pytest.mark.parametrize(
    "wrong",
    [{"channels": -1}, {"triple_width": 5000}, {"channels": 2, "pair_width": 0, "triple_width": 0}],
)
def test_absurd_sizes_are_refused(wrong):
    with pytest.raises(InputError, match="trained"):
        TrainedConfig(**wrong)


def test_what_they_cannot_stand_beside_is_refused():
    with pytest.raises(InputError, match=r"trained\.channels=0"):
        replace(PLAIN, family="complete", skip_width=0)
    with pytest.raises(InputError, match=r"message\.kind=plain"):
        replace(TALKING, message=replace(TALKING.message, kind="attention"))
    for without in ({"trained": TrainedConfig()}, {"lmax": 0, "coupled_lmax": 0}):
        with pytest.raises(InputError, match=r"message\.vectors=0"):
            replace(TALKING, **without)
    with pytest.raises(InputError, match=r"radial\.steps=0"):
        replace(force_models.config(), reservoir=PLAIN, radial=RadialConfig(1))
    with pytest.raises(InputError, match=r"channels\.rate"):
        LearningConfig(rate=0.0)
