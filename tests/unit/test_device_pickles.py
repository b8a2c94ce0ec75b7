"""Pickled arrays are read; anything that could run is not."""

import os
import pickle
import pickletools
import sys
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest

from rgnn.core.errors import InputError
from rgnn.device import measured, pickle_machine, pickles

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
    """BUILD may set attributes on what a file was given; here only records have a state."""
    array = pickle.dumps(WEIGHTS, protocol=2)
    poison = b"\x80\x02cnumpy\nndarray\nN}U\x0c__setstate__K\x01s\x86b."
    for program in (poison, b"\x80\x02]q\x00(" + poison, b"\x80\x02}}b.", b"\x80\x02]N}\x86b."):
        with pytest.raises(InputError, match="not a readable pickle"):
            pickles.read_arrays(program)
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


def test_nothing_a_file_names_is_imported():
    assert "this" not in sys.modules
    before = set(sys.modules)
    for program in (b"cthis\ns\n.", b"\x80\x04\x8c\x04this\x8c\x01s\x93.", b"ithis\ns\n."):
        with pytest.raises(InputError):
            pickles.read_arrays(program)
    assert {name for name in sys.modules if not name.startswith("encodings")} <= before


REFUSED = [op for op in pickletools.opcodes if op.name not in pickle_machine.ACTIONS]


@pytest.mark.parametrize("instruction", REFUSED, ids=lambda instruction: instruction.name)
def test_instructions_beyond_the_table_are_refused(instruction):
    """Every instruction the standard library knows, so that a new one is refused by default."""
    many = b"\x01" * 8 + b"\n\n"
    program = b"](K\x01" + instruction.code.encode("latin1") + (many if instruction.arg else b"")
    with pytest.raises(InputError, match=f"uses the instruction {instruction.name},"):
        pickles.read_arrays(program + b".")


def test_all_that_makes_objects_is_beyond_the_table():
    makers = "INST OBJ NEWOBJ NEWOBJ_EX EXT1 EXT2 EXT4 PERSID BINPERSID NEXT_BUFFER READONLY_BUFFER"
    assert set(makers.split()) <= {instruction.name for instruction in REFUSED}


@pytest.mark.parametrize(
    "program",
    {
        "nothing at all": b".",
        "value": b"a.",
        "values": b"]\x87.",
        "mark": b"]e.",
        "value above the mark": b"K\x01(\x85.",
        "memo": b"h\x05.",
        "called name": b"])R.",
        "arguments": b"cnumpy\ndtype\n]R.",
        "list": b")K\x01a.",
        "partner of a key": b"}(K\x01u.",
        "hashable key": b"}]Ns.",
        "text in a name": b"NN\x93.",
        "one result": b"NN.",
        "state of an array": b"cnumpy.core.multiarray\n_reconstruct\n)R.",
        "protocol": b"\x80\x07].",
    }.items(),
    ids=lambda item: item[0],
)
def test_programs_that_miss(program):
    with pytest.raises(InputError, match="not a readable pickle"):
        pickles.read_arrays(program[1])


def cycles() -> dict[str, object]:
    """Return what contains itself, in four ways."""
    inner: list = [WEIGHTS]
    inner.append({"back": (inner,)})
    mapping: dict = {}
    mapping["self"] = mapping
    alone, pair = np.empty(1, dtype=object), np.empty(2, dtype=object)
    alone[0], pair[1] = alone, [pair]
    return {"list": inner, "dictionary": mapping, "object": alone, "objects": pair}


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("kind", ["list", "dictionary", "object", "objects"])
def test_what_contains_itself_is_refused(kind, protocol):
    with pytest.raises(InputError, match="contains itself"):
        pickles.read_arrays(pickle.dumps(cycles()[kind], protocol=protocol))


LENGTH = b"\x8a\xff" + b"\x7f" * 255
LETTERS = b"X\xff\xff\x00\x00" + b"n" * 65535
BOMBS = {
    "lists of the same lists": (b"(" + b"N" * 1000 + b"l" + b"2\x86" * 60 + b".", "too often"),
    "lists in lists": (b"N" + b"\x85" * 10_000 + b".", "too often"),
    "tuples in a key": (b"}N" + b"\x85" * 3 + b"Ns.", "a tuple as key"),
    "a long key": (b"}(" + LETTERS + b"2" * 1000 + b"t]s.", "a long tuple as key"),
    "a long name": (b"}" + LETTERS + b"]s.", "by 65535 letters"),
    "bytes that are not there": (b"\x8e" + b"\xff" * 7 + b"\x0f.", "not a readable pickle"),
    "a shape": (
        b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01("
        + LENGTH
        + b"2" * 20_000
        + b"tcnumpy\ndtype\n(U\x02f8tRNC\x01atb.",
        "do not fit its shape",
    ),
}


@pytest.mark.parametrize("kind", list(BOMBS))
def test_few_bytes_cannot_ask_for_much(kind):
    program, reason = BOMBS[kind]
    with pytest.raises(InputError, match=reason):
        pickles.read_arrays(program)


def test_a_far_place_in_the_memo_takes_no_room():
    assert pickles.read_arrays(b"]r\xff\xff\xff\xffj\xff\xff\xff\xff\x86.") == {}


def test_an_array_may_stand_in_several_places():
    map_ = np.ones((50, 50), np.float32)
    found = pickles.read_arrays(pickle.dumps([[map_, WEIGHTS]] * 200))
    assert list(found)[:3] == ["0.0", "0.1", "1.0"] and len(found) == 400
    np.testing.assert_array_equal(found["199.1"], WEIGHTS)


def test_arrays_of_python_2_are_read():
    values = np.array([0.1, -2.5])
    program = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x10"
    )
    found = pickles.read_arrays(program + values.astype("<f8").tobytes() + b"tb.")
    np.testing.assert_array_equal(found[""], values)


@pytest.mark.parametrize("protocol", [2, 5])
def test_keys_of_any_plain_kind_name_arrays(protocol):
    keys = ["w", 3, ("layer", 0), np.int64(4), (np.int32(1), b"w"), b"w", None, 0.5]
    tree = {key: np.full(2, index) for index, key in enumerate(keys)}
    found = pickles.read_arrays(pickle.dumps(tree, protocol=protocol))
    names = ["w", "3", "('layer', 0)", "4", "(1, b'w')", "b'w'", "None", "0.5"]
    assert {name: int(values[0]) for name, values in found.items()} == {
        name: index for index, name in enumerate(names)
    }


def test_damaged_archives_are_one_clear_line(tmp_path):
    path = tmp_path / "c.npz"
    path.write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"c\.npz: is not a readable archive"):
        measured.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w.npy", b"no array")
    with pytest.raises(InputError, match=r"c\.npz: is not a readable archive"):
        pickles.read_file(path)
