"""Frames left out in closed form are predicted as if the fit had never seen them."""

from dataclasses import replace

import numpy as np
import pytest

import force_models
from rgnn.core.structure import Labels
from rgnn.tasks.force import readout
from rgnn.tasks.force.rows import Rows
from rgnn.tasks.force.training import Sums

ELEMENTS, N_FEATURE, READS = (3, 8, 15), 100, 2
NONE_KEPT: dict[int, int] = {}


def _noisy_data(noise: float):
    """Frames whose forces are linear in features, and two noisy reads of each."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(3, N_FEATURE)) / np.sqrt(N_FEATURE)
    frames, reads = [], []
    for frame in 2 * force_models.training_frames():
        features = rng.normal(size=(len(frame), 3, 3, N_FEATURE))
        forces = np.einsum("axsf,sf->ax", features, weights)
        frames.append(replace(frame, labels=Labels(0.0, forces, None)))
        shape = (READS, *features.shape)
        reads.append(features + noise * rng.normal(size=shape))
    return frames, reads


def _fit(frames, reads, groups):
    sums = Sums.zeros(len(frames), 3, N_FEATURE)
    sums.second += sum(len(frame) for frame in frames)
    for number, (frame, own) in enumerate(zip(frames, reads, strict=True)):
        for read in own:
            empty = np.zeros((3, N_FEATURE))
            sums.add(frame, Rows(empty, read, np.zeros((6, 3, N_FEATURE))), 1 / READS, False)
        if number in groups:
            sums.kept[number] = own.reshape(-1, 3 * N_FEATURE)
        sums.done += 1
    for gram in (sums.forces, sums.virial):
        gram.flush()
    kinds, config = np.zeros(N_FEATURE, int), force_models.config()
    return readout.train(sums, frames, ELEMENTS, groups, kinds, config, seed=0)


@pytest.mark.parametrize("noise", [0.1, 0.5])
def test_all_reads_of_a_frame_are_left_out_together(noise):
    """Half of a frame left in, as its other read, would tell nothing true of unseen frames."""
    frames, reads = _noisy_data(noise)
    groups = {0: 0, 1: 0, 7: 1, 8: 1}
    found = _fit(frames, reads, groups).summary["left_out_force_rmse"]
    errors = []
    for group in (0, 1):
        out = [number for number, own in groups.items() if own == group]
        rest = [number for number in range(len(frames)) if number not in out]
        model = _fit([frames[i] for i in rest], [reads[i] for i in rest], NONE_KEPT)
        for i in out:
            predicted = np.einsum("raxsf,sf->rax", reads[i], model.weights)
            errors.append(predicted - frames[i].labels.forces)
    honest = np.sqrt(np.mean(np.square(np.concatenate(errors, axis=None))))
    assert found == pytest.approx(honest, rel=0.1)
