"""Which frames train and which test, so that the test says something about new frames.

Frames of one trajectory resemble their neighbours in time, frames of one melt resemble each other:
`block_split` keeps such relatives on one side. `random_split` does not.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from rgnn.core.errors import InputError
from rgnn.core.structure import Frame

Key = str | Callable[[Frame], Hashable]
"""What makes frames relatives: an entry of `frame.info` (`"melt"`), or a function of the frame."""


class Split(NamedTuple):
    """Frames to train on and frames held out, each in their old order."""

    train: list[Frame]
    test: list[Frame]


def by_file(frame: Frame) -> str:
    """Return the file a frame came from, a key for `block_split`."""
    return frame.source.rpartition(", frame ")[0]


def by_composition(frame: Frame) -> tuple[tuple[int, int], ...]:
    """Return how many atoms of which number a frame has, a key for `block_split`."""
    numbers, counts = np.unique(frame.structure.numbers, return_counts=True)
    return tuple(zip(numbers.tolist(), counts.tolist(), strict=True))


def block_split(
    frames: Sequence[Frame],
    fraction: float,
    key: Key | None = None,
    *,
    n_block: int = 10,
    gap: int = 0,
    seed: int = 0,
) -> Split:
    """Return a split that holds out whole blocks, about `fraction` of the frames.

    With a `key`, frames that share its value form a block (a melt, a file, a composition). Without
    one the sequence is taken as a trajectory and cut into `n_block` stretches of equal length;
    `gap` training frames on either side of a held-out one are then dropped, since they are still
    its relatives. `seed` decides which blocks are held out.

    Raises
    ------
    InputError
        when there are not two blocks to part, a frame lacks the key, or the gap leaves nothing.
    """
    _check_fraction(fraction, len(frames))
    if key is None:
        blocks = _stretches(len(frames), n_block)
    else:
        blocks = _group_numbers([_value(frame, key) for frame in frames])
    n_group = int(blocks.max()) + 1
    if n_group < 2:
        raise InputError(
            f"all {len(frames)} frames belong to one block; split by another key or without one"
        )
    held_out = np.isin(blocks, _choose(np.bincount(blocks), fraction, seed))
    return _part(frames, held_out, _near(held_out, gap))


def random_split(frames: Sequence[Frame], fraction: float, *, seed: int) -> Split:
    """Return a split that holds out single frames at random.

    Warning: on a trajectory, or on anything with relatives among its frames, this leaks. The test
    error then measures how well frames are remembered, not how well new ones are predicted, and can
    be too small by far. Use it for independent frames only; else `block_split`.
    """
    _check_fraction(fraction, len(frames))
    n_test = min(max(round(fraction * len(frames)), 1), len(frames) - 1)
    held_out = np.zeros(len(frames), dtype=bool)
    held_out[np.random.default_rng(seed).choice(len(frames), n_test, replace=False)] = True
    return _part(frames, held_out, np.zeros_like(held_out))


def thin(frames: Sequence[Frame], count: int) -> list[Frame]:
    """Return `count` frames (or all, if fewer) at even spacing, first and last among them."""
    if count < 1:
        raise InputError(f"cannot keep {count} frames; ask for at least one")
    kept = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [frames[i] for i in kept.tolist()]


def farthest_points(
    descriptors: Float[np.ndarray, "n_frame n_feature"], count: int, *, start: int = 0
) -> Int[np.ndarray, " n_chosen"]:
    """Return the indices of `count` frames that cover the space of descriptors, most novel first.

    Greedy k-centre (Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5): beginning with `start`, the
    next frame is always the one farthest from all chosen so far. Stops early when every frame left
    coincides with a chosen one.
    """
    chosen = [start]
    distance = np.linalg.norm(descriptors - descriptors[start], axis=1)
    while len(chosen) < count and distance.max() > 0:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(
            distance, np.linalg.norm(descriptors - descriptors[chosen[-1]], axis=1)
        )
    return np.array(chosen)


def _check_fraction(fraction: float, n_frame: int) -> None:
    if not 0 < fraction < 1:
        raise InputError(f"the held-out fraction is {fraction}; it must lie between 0 and 1")
    if n_frame < 2:
        raise InputError(f"{n_frame} frames cannot be split; at least two are needed")


def _value(frame: Frame, key: Key) -> Hashable:
    if callable(key):
        return key(frame)
    if key not in frame.info:
        known = ", ".join(frame.info) or "nothing"
        raise InputError(f"{frame.source}: no `{key}` to split by; the frame knows {known}")
    return frame.info[key]


def _group_numbers(values: Sequence[Hashable]) -> Int[np.ndarray, " n_frame"]:
    """Return the number of each value's group, groups counted in order of appearance."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values])


def _stretches(n_frame: int, n_block: int) -> Int[np.ndarray, " n_frame"]:
    """Return the number of the stretch each frame of a trajectory lies in."""
    return np.arange(n_frame) * min(n_block, n_frame) // n_frame


def _choose(sizes: Int[np.ndarray, " n_group"], fraction: float, seed: int) -> list[int]:
    """Return groups, in random order, that come closest to `fraction` of all frames; never all."""
    wanted = fraction * sizes.sum()
    chosen: list[int] = []
    held = 0
    for group in np.random.default_rng(seed).permutation(len(sizes))[:-1]:
        closer = abs(held + sizes[group] - wanted) < abs(held - wanted)
        if closer:
            chosen.append(int(group))
            held += int(sizes[group])
    return chosen or [int(sizes.argmin())]


def _near(held_out: Bool[np.ndarray, " n_frame"], gap: int) -> Bool[np.ndarray, " n_frame"]:
    """Return which frames lie within `gap` of a held-out one."""
    window = np.ones(2 * gap + 1)
    return np.convolve(held_out, window)[gap : gap + len(held_out)] > 0


def _part(
    frames: Sequence[Frame],
    held_out: Bool[np.ndarray, " n_frame"],
    dropped: Bool[np.ndarray, " n_frame"],
) -> Split:
    train = [frames[i] for i in np.flatnonzero(~held_out & ~dropped).tolist()]
    if not train:
        raise InputError("no frames are left to train on; choose a smaller gap")
    return Split(train=train, test=[frames[i] for i in np.flatnonzero(held_out).tolist()])
