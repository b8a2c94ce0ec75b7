"""The packaged sets are there, whole, and split by melt."""

import numpy as np
import pytest

import rgnn.datasets
from rgnn.core.errors import InputError
from rgnn.datasets import archive
from rgnn.io.structures import as_frames

SIZES = {"li3po4-dft": (69, 7), "li3po4-xtb": (240, 30)}


def test_names():
    assert rgnn.datasets.names() == tuple(SIZES)


@pytest.mark.parametrize("name", SIZES)
def test_sets_are_usable_and_their_test_melts_unseen(name):
    train, test = rgnn.datasets.load(name, "train"), rgnn.datasets.load(name, "test")
    assert (len(train), len(test)) == SIZES[name]
    assert len(as_frames(train + test)) == sum(SIZES[name])
    melts = [{frame.info["melt"] for frame in frames} for frames in (train, test)]
    assert not melts[0] & melts[1] and len(melts[1]) == 1
    for frame in train + test:
        numbers, counts = np.unique(frame.structure.numbers, return_counts=True)
        assert dict(zip(numbers, counts, strict=True)) == {3: 18, 8: 24, 15: 6}
        assert frame.structure.pbc.all() and frame.labels.stress is not None
        assert 300 <= frame.info["temperature_K"] <= 2500


def test_source_and_note():
    assert rgnn.datasets.load("li3po4-xtb")[33].source == "li3po4-xtb/train, melt 101, frame 33"
    assert "GFN1-xTB" in rgnn.datasets.about("li3po4-xtb")
    assert "CP2K" in rgnn.datasets.about("li3po4-dft")


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="there is li3po4-dft and li3po4-xtb"):
        rgnn.datasets.load("water")
    with pytest.raises(InputError, match="there is train and test"):
        rgnn.datasets.load("li3po4-dft", "valid")


def test_archives_keep_frames_of_different_sizes(tmp_path):
    frames = rgnn.datasets.load("li3po4-xtb", "test")[:2]
    single = as_frames(rgnn.datasets.load("li3po4-dft", "test")[:1])
    archive.save(tmp_path / "a.npz", [*frames, *single], "a note")
    again = archive.load(tmp_path / "a.npz", "mine")
    for one, other in zip(again, [*frames, *single], strict=True):
        np.testing.assert_array_equal(one.structure.positions, other.structure.positions)
        np.testing.assert_array_equal(one.labels.forces, other.labels.forces)
        assert one.info == other.info
    assert archive.note(tmp_path / "a.npz") == "a note"
    assert again[2].source == "mine, melt m23, frame 2"
