"""Splits keep relatives on one side; thinning covers what it thins."""

from collections import Counter

import numpy as np
import pytest
from ase import Atoms

from rgnn.core.errors import InputError
from rgnn.core.structure import Frame, Labels
from rgnn.io.atoms import structure_of
from rgnn.io.splits import (
    block_split,
    by_composition,
    by_file,
    farthest_points,
    random_split,
    thin,
)


def frames_of(melts: list[int], symbols: str = "He") -> list[Frame]:
    structure = structure_of(Atoms(symbols))
    return [
        Frame(structure, Labels(), f"{melt}.xyz, frame {i}", {"melt": melt, "i": i})
        for i, melt in enumerate(melts)
    ]


def order(frames: list[Frame]) -> list[int]:
    return [int(frame.info["i"]) for frame in frames]


def test_groups_stay_whole_and_come_close_to_the_fraction():
    frames = frames_of([0, 1, 2, 3, 4] * 6)
    for seed in range(5):
        split = block_split(frames, 0.4, "melt", seed=seed)
        counts = Counter(frame.info["melt"] for frame in split.test)
        assert set(counts.values()) == {6} and len(counts) == 2
        assert sorted(order(split.train) + order(split.test)) == list(range(30))
        assert order(split.train) == sorted(order(split.train))


def test_the_seed_decides_and_repeats():
    frames = frames_of(list(range(20)))
    one, same, other = (order(block_split(frames, 0.3, "melt", seed=s).test) for s in (1, 1, 2))
    assert one == same != other


def test_a_small_fraction_still_holds_out_a_group():
    split = block_split(frames_of([0] * 9 + [1] * 3 + [2] * 8), 0.01, "melt")
    assert {frame.info["melt"] for frame in split.test} == {1}


def test_a_large_fraction_still_trains_on_a_group():
    split = block_split(frames_of([0, 0, 1, 1]), 0.99, "melt")
    assert len(split.train) == 2


def test_a_trajectory_is_cut_into_stretches_with_gaps():
    split = block_split(frames_of([0] * 100), 0.2, n_block=5, gap=3, seed=1)
    held = order(split.test)
    assert len(held) == 20 and held == list(range(held[0], held[0] + 20))
    distances = np.abs(np.subtract.outer(order(split.train), held)).min(axis=1)
    assert distances.min() == 4
    assert len(split.train) == 80 - 3 * ((held[0] > 0) + (held[-1] < 99))


def test_ready_made_keys():
    frames = frames_of([0, 0, 1, 1])
    assert [by_file(frame) for frame in frames] == ["0.xyz", "0.xyz", "1.xyz", "1.xyz"]
    water, peroxide = frames_of([0], "H2O")[0], frames_of([0], "OH2")[0]
    assert by_composition(water) == by_composition(peroxide) == ((1, 2), (8, 1))
    assert len(block_split(frames, 0.5, by_file).test) == 2


def test_random_split_holds_out_the_fraction():
    split = random_split(frames_of([0] * 50), 0.3, seed=3)
    assert len(split.test) == 15
    assert sorted(order(split.train) + order(split.test)) == list(range(50))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: block_split(frames_of([7] * 4), 0.5, "melt"), "all 4 frames belong to one block"),
        (lambda: block_split(frames_of([0, 1]), 0.5, "run"), "no `run` to split by; .* melt"),
        (lambda: block_split(frames_of([0] * 10), 0.5, gap=10), "choose a smaller gap"),
        (lambda: random_split(frames_of([0] * 4), 1.0, seed=0), "between 0 and 1"),
        (lambda: random_split(frames_of([0]), 0.5, seed=0), "at least two"),
        (lambda: thin(frames_of([0]), 0), "at least one"),
    ],
)
def test_what_cannot_be_split(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_thin_spans_the_trajectory():
    frames = frames_of([0] * 101)
    assert order(thin(frames, 5)) == [0, 25, 50, 75, 100]
    assert order(thin(frames, 1)) == [0]
    assert order(thin(frames[:3], 10)) == [0, 1, 2]


def test_farthest_points_on_a_line():
    line = np.array([[0.0], [1.0], [2.0], [10.0], [5.5], [10.0]])
    assert farthest_points(line, 3).tolist() == [0, 3, 4]
    assert farthest_points(line, 99, start=2).tolist() == [2, 3, 4, 0, 1]
