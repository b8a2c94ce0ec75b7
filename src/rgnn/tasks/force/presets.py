"""Settings that follow from the frames: molecules ask for others than crystals and glasses."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rgnn.core.structure import Frame
from rgnn.graph.neighbours import pairs_within
from rgnn.io.splits import thin
from rgnn.reservoir.config import MessageConfig, ReservoirConfig, TrainedConfig
from rgnn.tasks.force.config import ForceConfig, LearningConfig

AROUND = 64
"""Products of two densities per degree that go around a noisy chip."""

AROUND_FOR_MOLECULES = 128
"""The same for molecules, whose angles are stiff."""

WHITEN = 1e-3
"""Share of the largest component's variance down to which components drive a noisy chip alike."""

CROWDED = 20
"""Molecules of more atoms than these have most of them beyond the bonds and angles of an atom."""

FAR_WEIGHT = 0.1
"""Weight of functions over the whole cutoff in such molecules."""

MESSAGE = MessageConfig(
    vectors=4, cutoff=5.0, n_radial=6, single_width=16, pair_width=14, triple_width=14
)
"""Vectors, reach and products of messages trained beside the chip."""

TRAINED = TrainedConfig(pair_width=20, triple_width=24)
"""Products of trained channels alone, beside such messages."""

CHIP = {"n_radial": 10, "pair_width": 96, "triple_width": 160}
"""Frozen part beside them, wide enough that less than a tenth of three elements' weights is
trained with 20 channels and 8 scalars."""

LEARNING = LearningConfig(steps=50, rate=0.2, rows=15_000)
"""How they are learnt: many steps, each from a few of the frames by turns."""

_NEAR = 1.5
"""Reach of a second set of radial functions in bond lengths."""

_LOOKED_AT = 20
"""Frames in which bonds are measured."""

_BOND = 4.0
"""Longest distance [Å] that is looked at as a bond."""


def suited_to(frames: Sequence[Frame], asked: ForceConfig | None = None) -> ForceConfig:
    """Return the settings for `frames` on the rung that is `asked` for, all else being default.

    A noisy chip has angle terms beside it, or trained channels if those are asked for; on one,
    molecules drive lines of one size. Large molecules have a second set of radial functions for
    their bonds. Where channels and messages are asked for, they have the widths, the reach and the
    steps that served ion conductors best. The complete family, which is digital, stays as it is.
    What this gains: docs/explanation/accuracy.md.
    """
    asked = asked or ForceConfig()
    plain = ForceConfig(periphery=asked.periphery)
    if not frames or asked.reservoir.family == "complete":
        return plain
    molecules = not any(np.any(frame.structure.pbc) for frame in frames)
    reservoir = plain.reservoir
    if asked.periphery.rung == "crossbar":
        width = AROUND_FOR_MOLECULES if molecules else AROUND
        width = 0 if asked.reservoir.trained.channels else width
        reservoir = replace(reservoir, skip_width=width, whiten=WHITEN if molecules else 0.0)
    if molecules and np.mean([len(frame) for frame in frames]) > CROWDED:
        near = round(_NEAR * _bond_length(thin(frames, _LOOKED_AT)), 1)
        if 0 < near < asked.reservoir.cutoff:  # not so in a cluster of noble-gas atoms
            reservoir = replace(reservoir, near=near, far_weight=FAR_WEIGHT)
    if asked.reservoir.trained.channels and asked.reservoir.message.scalars:
        talking = _talking(reservoir, asked.reservoir)
        return replace(plain, reservoir=talking, channels=LEARNING)
    return replace(plain, reservoir=reservoir)


def _talking(reservoir: ReservoirConfig, asked: ReservoirConfig) -> ReservoirConfig:
    """Return the network with messages trained beside it, no farther than an atom sees, and with
    vectors where there are densities to make them of."""
    vectors = MESSAGE.vectors if asked.lmax else 0
    message = replace(MESSAGE, cutoff=min(MESSAGE.cutoff, asked.cutoff), vectors=vectors)
    # Trained messages are checked against channels and scalars, which are asked for.
    trained = replace(TRAINED, channels=asked.trained.channels)
    message = replace(message, scalars=asked.message.scalars)
    return replace(reservoir, trained=trained, message=message, **CHIP)


def _bond_length(frames: Sequence[Frame]) -> float:
    """Return the median over heavy atoms of the distance to the nearest other one [Å]; 0 if there
    are no two near each other."""
    nearest: list[float] = []
    for frame in frames:
        pairs, heavy = pairs_within(frame.structure, _BOND), frame.structure.numbers > 1
        bonded = heavy[pairs.centre] & heavy[pairs.neighbour]
        length = np.full(len(frame), np.inf)
        np.minimum.at(length, pairs.centre[bonded], np.linalg.norm(pairs.vector[bonded], axis=1))
        nearest += length[np.isfinite(length)].tolist()
    return float(np.median(nearest)) if nearest else 0.0
