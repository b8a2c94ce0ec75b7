"""Pickled data of any kind: what was written comes out, and damage is never more than an error."""

import pickle
import pickletools
import sys

import jax
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from rgnn.core.errors import InputError
from rgnn.device import pickle_machine, pickles

PROTOCOLS = st.integers(0, pickle.HIGHEST_PROTOCOL)
QUICK = settings(deadline=None, max_examples=100)


@st.composite
def arrays(draw):
    """Numbers of several kinds, in rows, in columns, and with swapped axes."""
    kind = draw(st.sampled_from(["<f4", ">f8", "<f2", "|i1", "<u2", "|b1"]))
    shape = draw(st.sampled_from([(), (3,), (2, 3), (3, 1, 2), (0, 4)]))
    finite = {"allow_nan": False} if "f" in kind else {}
    elements = arrays_of.from_dtype(np.dtype(kind), **finite)
    values = draw(arrays_of.arrays(kind, shape, elements=elements))
    swapped = [np.ascontiguousarray, np.asfortranarray, lambda a: a.T, lambda a: a.swapaxes(0, -1)]
    return draw(st.sampled_from(swapped[: 4 if shape else 1]))(values)


PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats()
KEYS = st.sampled_from(["w", "bias", "layer 1", "µ"])


def trees(leaves):
    """Nested lists, tuples and dictionaries of `leaves`."""
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.lists(inner, max_size=4).map(tuple)
            | st.dictionaries(KEYS, inner, max_size=3)
        ),
        max_leaves=8,
    )


@given(trees(arrays() | PLAIN), PROTOCOLS)
@QUICK
def test_arrays_come_out_as_they_were_written(tree, protocol):
    expected = {
        jax.tree_util.keystr(path, simple=True, separator="."): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        if isinstance(leaf, np.ndarray)
    }
    found = pickles.read_arrays(pickle.dumps(tree, protocol=protocol))
    assert sorted(found) == sorted(expected)
    for name, values in expected.items():
        assert found[name].shape == values.shape
        np.testing.assert_array_equal(found[name], values.astype(float))


@given(trees(PLAIN | st.binary(max_size=300) | st.integers(-(2**2100), 2**2100)), st.integers(3, 5))
@QUICK
def test_plain_data_come_out_as_they_were_written(tree, protocol):
    assert repr(pickle_machine.read(pickle.dumps(tree, protocol=protocol), ())) == repr(tree)


def _argument(instruction: pickletools.OpcodeInfo, number: int, text: bytes) -> bytes:
    """Return an argument that suits the instruction."""
    if instruction.arg is None:
        return b""
    if "nl" in instruction.arg.name:
        quoted = b"'" + text + b"'" if instruction.name == "STRING" else text
        numbers = {"INT": b"%02d", "LONG": b"%dL", "FLOAT": b"%d.5", "PUT": b"%d", "GET": b"%d"}
        return (
            numbers[instruction.name] % number if instruction.name in numbers else quoted
        ) + b"\n"
    if instruction.arg.n >= 0:
        return bytes([number]) + bytes(instruction.arg.n - 1)
    width = {-2: 1, -3: 4, -4: 4, -5: 8}[instruction.arg.n]
    return bytes([len(text)]) + bytes(width - 1) + text


SAFE = [
    instruction
    for instruction in pickletools.opcodes
    if instruction.name in pickle_machine.ACTIONS
    and instruction.name not in ("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "FRAME", "STOP")
]
STEPS = st.builds(
    lambda instruction, number, text: (
        instruction.code.encode("latin1") + _argument(instruction, number, text)
    ),
    st.sampled_from(SAFE),
    st.integers(0, 3),
    st.sampled_from([b"", b"a", b"\\x41b"]),
)


@given(st.lists(STEPS, max_size=12).map(b"".join), st.integers(0, 2))
@settings(deadline=None, max_examples=500)
def test_programs_mean_what_they_mean_to_the_standard_library(steps, folds):
    """Any order of the instructions that only build data, ended so that one value is left."""
    program = b"(" + b"(" * folds + steps + b"l" * (1 + folds) + b"."
    try:
        built = pickle_machine.read(program, ())
    except Exception:
        return
    assert repr(built) == repr(pickle.loads(program, encoding="latin1"))


WRITTEN = [
    pickle.dumps([np.arange(6.0).reshape(2, 3), {"b": np.float32(3), "s": tree}], protocol=protocol)
    for protocol in range(6)
    for tree in [(np.asfortranarray(np.eye(2)), np.array([[1, 2], None], dtype=object), "text")]
]


@given(
    st.sampled_from(WRITTEN),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4),
    st.none() | st.integers(0, 10**6),
)
@settings(deadline=None, max_examples=500)
def test_damage_is_an_input_error_or_other_numbers(data, changes, cut):
    damaged = bytearray(data)
    for place, byte in changes:
        damaged[place % len(data)] = byte
    before = set(sys.modules)
    try:
        found = pickles.read_arrays(bytes(damaged[: None if cut is None else cut % len(data)]))
    except InputError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert all(values.dtype == float for values in found.values())
    assert {name for name in sys.modules if not name.startswith("encodings")} <= before
