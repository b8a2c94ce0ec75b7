"""Pickled arrays are read; anything that could run is not."""

import os
import pickle

import jax.numpy as jnp
import numpy as np
import pytest

from rgnn.core.errors import InputError
from rgnn.device import measured, pickles

WEIGHTS = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_nested_arrays_of_any_protocol(protocol):
    tree = [[WEIGHTS, np.asfortranarray(WEIGHTS.T)], {"b": WEIGHTS.astype(">f8"), "n": 3}]
    arrays = pickles.read_arrays(pickle.dumps(tree, protocol=protocol))
    assert sorted(arrays) == ["0.0", "0.1", "1.b"]
    for name, expected in {"0.0": WEIGHTS, "0.1": WEIGHTS.T, "1.b": WEIGHTS}.items():
        np.testing.assert_array_equal(arrays[name], expected)


def test_jax_arrays_and_archives_of_objects(tmp_path):
    np.savez(tmp_path / "c.npz", tree=np.array({"w": jnp.asarray(WEIGHTS)}, dtype=object))
    found = measured.load(tmp_path / "c.npz")
    np.testing.assert_array_equal(found.maps[0][0], WEIGHTS)


class Calls:
    def __init__(self, function, *arguments):
        self.parts = (function, arguments)

    def __reduce__(self):
        return self.parts


@pytest.mark.parametrize(
    "attack",
    [
        lambda mark: Calls(os.system, f"touch {mark}"),
        lambda mark: Calls(eval, f"open({str(mark)!r}, 'w')"),
        lambda mark: Calls(getattr, "text", "format"),
        lambda mark: [WEIGHTS, Calls(exec, f"open({str(mark)!r}, 'w')")],
        lambda mark: Calls(np.save, str(mark), WEIGHTS),
        lambda mark: np.array([Calls(os.system, f"touch {mark}")], dtype=object),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_nothing_is_executed(tmp_path, attack, protocol):
    mark = tmp_path / "executed"
    (tmp_path / "c.pkl").write_bytes(pickle.dumps(attack(mark), protocol=protocol))
    with pytest.raises(InputError, match="nothing is executed"):
        measured.load(tmp_path / "c.pkl")
    assert not mark.exists()


def test_a_file_cannot_change_the_reader_for_the_next_one():
    """BUILD may set attributes on what a file was given; that must not outlive the file."""
    array = pickle.dumps(WEIGHTS, protocol=2)
    poison = b"\x80\x02cnumpy\nndarray\nN}U\x0c__setstate__K\x01s\x86b."
    with pytest.raises(InputError):
        pickles.read_arrays(poison + b"")
        pickles.read_arrays(b"\x80\x02]q\x00(" + poison)
    np.testing.assert_array_equal(pickles.read_arrays(array)[""], WEIGHTS)


@pytest.mark.parametrize(
    "data",
    [b"", b"no pickle at all", pickle.dumps(WEIGHTS)[:-20], b"\x80\x04\x95\xff\xff\xff\xff."],
)
def test_damaged_files_are_one_clear_line(data):
    with pytest.raises(InputError, match="not a readable pickle"):
        pickles.read_arrays(data)


def test_only_numbers_come_out():
    with pytest.raises(InputError, match="only numbers are read"):
        pickles.read_arrays(pickle.dumps(np.array(["text", "more"])))
