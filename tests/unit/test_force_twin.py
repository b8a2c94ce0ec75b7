"""The fully trained twin learns, and needs no more than energies and forces."""

from dataclasses import replace

import pytest

import force_models
import rgnn
from rgnn.core.errors import InputError
from rgnn.core.structure import Labels
from rgnn.reservoir.config import MessageConfig
from rgnn.tasks.force.twin import TwinConfig, train

optax = pytest.importorskip("optax")

TINY = replace(
    force_models.SMALL, lmax=1, triple_width=0, message=MessageConfig(scalars=0), n_radial=3
)
BRIEF = TwinConfig(cpu_seconds=20.0, rate=1e-2, batch=2, look_every=0.0)


@pytest.fixture(scope="module")
def field():
    settings = replace(force_models.config(precision="float32"), reservoir=TINY)
    return rgnn.ForceField.fit(force_models.training_frames(), config=settings, seed=0)


def test_the_error_falls_and_all_weights_move(field):
    frames = force_models.training_frames()
    weights, looks = train(field, frames, force_models.test_frames(), BRIEF)
    assert looks[-1].force_rmse_meV_per_A < 0.8 * looks[0].force_rmse_meV_per_A
    assert looks[-1].steps > looks[0].steps
    start = field.reservoir.layer.mixing
    assert all((w != mv.weight).any() for w, mv in zip(weights.mixing, start, strict=True))
    assert (weights.readout != 0).any()


def test_frames_without_forces_are_refused(field):
    frame = force_models.training_frames()[0]
    blind = replace(frame, labels=Labels(frame.labels.energy, None, None))
    with pytest.raises(InputError, match="needs energy and forces"):
        train(field, [blind], [frame], BRIEF)


def test_message_steps_are_refused():
    frames = force_models.training_frames()
    with pytest.raises(InputError, match="message"):
        train(force_models.model(), frames, frames, BRIEF)
