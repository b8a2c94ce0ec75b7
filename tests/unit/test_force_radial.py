"""Radial functions learnt by the derivative of what halves of the data miss of each other."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import force_models
import rgnn
from rgnn.core.errors import InputError
from rgnn.crossbar.build import Periphery
from rgnn.crossbar.combined import Combined
from rgnn.crossbar.matvec import Exact
from rgnn.readout.halves import crossed
from rgnn.reservoir.beside import Beside
from rgnn.reservoir.config import MessageConfig
from rgnn.tasks.force import engine, learning, storage, training
from rgnn.tasks.force.config import RadialConfig, UncertaintyConfig
from rgnn.tasks.force.model import Predictor

PLAIN = replace(
    force_models.SMALL, lmax=1, skip_width=2, near=2.2, message=MessageConfig(scalars=0)
)
KEY = jax.random.key(0)


@cache
def model() -> rgnn.ForceField:
    settings = replace(
        force_models.config(),
        reservoir=PLAIN,
        radial=RadialConfig(steps=3, rate=0.1, features=12),
    )
    return rgnn.ForceField.fit(rgnn.datasets.load("li3po4-xtb", "train")[::8], config=settings)


def test_an_array_behind_blocks_is_one_matrix():
    rng = np.random.default_rng(0)
    weight, blocks = rng.normal(size=(5, 6)), rng.normal(size=(2, 3, 3))
    with engine.arithmetic("float64"):
        mv = Combined(array=Exact(jnp.asarray(weight)), blocks=jnp.asarray(blocks))
        whole = np.zeros((6, 6))
        whole[:3, :3], whole[3:, 3:] = blocks
        x = jnp.asarray(rng.normal(size=(4, 6)))
        for read in (mv, mv.tangent, lambda x: mv.repeated(x, 2)):
            np.testing.assert_allclose(read(x), x @ whole @ weight.T)
        half = mv.driven(3, 6)
        np.testing.assert_allclose(half(x[:, 3:]), x[:, 3:] @ blocks[1] @ weight[:, 3:].T)
        with pytest.raises(ValueError, match="whole blocks"):
            mv.driven(2, 6)


def test_derivative_is_that_of_solving_again():
    """The error between the halves after a small change, everything solved again."""
    own = model()
    frames = rgnn.datasets.load("li3po4-xtb", "train")[:8:2]
    network = own.reservoir
    with engine.arithmetic("float64"):
        build = engine.Builder(own.elements, own.config.reservoir)
        data = learning._data(frames, build, "")
        scale = learning._units(network, data)
        halves = learning._halves(network, data, scale)
        strength = 1e-6 * float(np.diagonal(halves[0].gram).mean())
        found = crossed(halves, strength)
        gradient = learning._gradient(network, learning.RADIAL, data, halves, found, scale)
        direction = np.random.default_rng(1).normal(size=gradient.shape)

        def loss(step: float) -> float:
            blocks = np.asarray(learning._blocks(network)) + step * direction
            moved = learning._with_blocks(network, engine.as_dtype(blocks, "float64"))
            own = learning._halves(moved, data, scale)
            return crossed(own, strength).error ** 2 * (own[0].judged + own[1].judged) / 2

        step = 1e-5
        slope = (loss(step) - loss(-step)) / (2 * step)
    assert float((gradient * direction).sum()) == pytest.approx(slope, rel=1e-4)


def test_learning_helps_the_halves_and_changes_nothing_on_the_chip():
    own = model()
    summary = own.readout.summary
    assert summary["halves_force_rmse_after"] < 0.98 * summary["halves_force_rmse_before"]
    plain = replace(own.calibration, radial=np.zeros((0, 0, 0, 0)))
    frozen = own.weights_count["frozen_weights"]
    assert replace(own, calibration=plain).weights_count["frozen_weights"] == frozen
    assert own.calibration.radial.shape == (2, 3, 8, 8)
    assert own.calibration.size == plain.size + 2 * 3 * 8 * 8


def test_forces_are_minus_the_gradient_of_the_energy():
    structure = force_models.test_frames()[0].structure
    predictor, h, atom, axis = Predictor(model()), 1e-3, 17, 1

    def predict(shift: float):
        positions = structure.positions.copy()
        positions[atom, axis] += shift
        return predictor(replace(structure, positions=positions), key=KEY, uncertainty=False)

    slope = (predict(h).energy - predict(-h).energy) / (2 * h)
    assert predict(0.0).forces[atom, axis] == pytest.approx(-slope, abs=1e-5)


@pytest.mark.parametrize("rung", ["exact", "crossbar"])
def test_a_structure_may_lack_an_element(rung):
    """As do the pure elements of a set of many compositions."""
    structure = force_models.test_frames()[0].structure
    kept = structure.numbers != 15
    fewer = replace(structure, numbers=structure.numbers[kept], positions=structure.positions[kept])
    predictor = Predictor(model().on(periphery=Periphery(rung)))
    found = predictor(fewer, key=KEY, uncertainty=False)
    assert np.isfinite(found.energy) and np.abs(found.forces).max() > 0.01
    assert np.isfinite(found.forces).all() and np.isfinite(found.stress).all()


def test_reads_of_a_noisy_chip_scatter_around_the_exact_forces():
    """What is left of 24 reads: rounding of inputs and converters, and a fifth of their noise."""
    structure = force_models.test_frames()[0].structure
    noisy = Predictor(model().on(periphery=Periphery("crossbar")))
    keys = jax.random.split(KEY, 24)
    reads = np.stack([noisy(structure, key=key, uncertainty=False).forces for key in keys])
    exact = Predictor(model())(structure, key=KEY, uncertainty=False).forces
    left = np.sqrt(np.mean((reads.mean(axis=0) - exact) ** 2))
    single = np.sqrt(np.mean((reads[0] - exact) ** 2))
    assert left < 0.6 * single < 0.15 * np.sqrt(np.mean(exact**2))


def test_files_hold_the_learnt_functions(tmp_path):
    own = model()
    storage.save(own, tmp_path / "model.safetensors")
    again = storage.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.calibration.radial, own.calibration.radial)
    frame = force_models.test_frames()[0]
    one, two = (m.predict([frame], uncertainty=False)[0].forces for m in (own, again))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    "values",
    [
        np.arange(4.0).reshape(1, 1, 2, 2),
        Beside.nothing()._replace(channels=np.ones((1, 2, 3)), telling=np.ones((1, 2, 4))),
    ],
    ids=["radial", "beside"],
)
def test_an_interrupted_fit_need_not_learn_again(values, tmp_path):
    checkpoint = training.Checkpoint(tmp_path / "c.npz", True, "this fit")
    assert learning.load(checkpoint, values) is None
    learning.save(learning.Learnt(values, 0.2, 0.1), checkpoint)
    found = learning.load(checkpoint, values)
    assert found is not None
    assert type(found.values) is type(values)
    jax.tree.map(np.testing.assert_array_equal, found.values, values)
    assert found[1:] == (0.2, 0.1)
    with pytest.raises(InputError, match="another chip or other settings"):
        learning.load(replace(checkpoint, identity="another"), values)


def test_groups_fall_into_one_half():
    frames = rgnn.datasets.load("li3po4-xtb", "train")
    half = learning._parity(frames, "melt")
    for melt in {f.info["melt"] for f in frames}:
        assert (
            len({int(h) for h, f in zip(half, frames, strict=True) if f.info["melt"] == melt}) == 1
        )
    assert 0.3 < half.mean() < 0.7
    assert set(learning._parity(frames[:3], "").tolist()) == {0, 1}


@pytest.mark.parametrize("wrong", [{"steps": -1}, {"rate": 0.0}, {"features": 0}, {"rows": 1}])
def test_absurd_settings_are_refused(wrong):
    with pytest.raises(InputError, match=f"radial.*{next(iter(wrong))}|radial"):
        RadialConfig(**wrong)


def test_too_few_frames_are_one_clear_line():
    frames = rgnn.datasets.load("li3po4-xtb", "train")[:3]
    settings = replace(force_models.config(), reservoir=PLAIN, radial=RadialConfig(steps=1))
    with pytest.raises(InputError, match="at least 4 frames; got 3"):
        rgnn.ForceField.fit(frames, config=settings)


def test_groups_that_frames_do_not_know_are_refused_before_learning():
    settings = replace(
        force_models.config(),
        reservoir=PLAIN,
        radial=RadialConfig(steps=1),
        uncertainty=UncertaintyConfig(groups=0, group_by="nothing"),
    )
    with pytest.raises(InputError, match=r"no 'nothing' in its info"):
        rgnn.ForceField.fit(rgnn.datasets.load("li3po4-xtb", "train")[:8], config=settings)


def test_networks_with_messages_are_refused():
    with pytest.raises(InputError, match=r"message\.scalars=0"):
        replace(force_models.config(), radial=RadialConfig(steps=1))
