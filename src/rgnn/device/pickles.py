"""Arrays out of pickled files, without ever unpickling: nothing a file says is executed.

`pickle_machine` turns a file into plain Python values and `Record`s of the few calls that plain
NumPy and JAX arrays consist of. No such call is made: what was recorded – shape, type of number,
order and bytes – is checked here and read as numbers.
"""

import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from rgnn.core.errors import InputError
from rgnn.device.pickle_machine import Name, Record, read

_KNOWN = {
    Name("numpy", "ndarray"),
    Name("numpy", "dtype"),
    Name("_codecs", "encode"),
    Name("__builtin__", "bytes"),
    Name("jax._src.array", "_reconstruct_array"),
    *(Name(f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
    *(Name(f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
    *(Name(f"numpy.{core}.multiarray", "scalar") for core in ("core", "_core")),
}
"""Functions of these names differ in their last part, by which records are told apart."""

_DEEPEST = 100
"""How many lists may lie in each other."""
_LONGEST = 1000
"""How many letters the name of an array may have."""


def read_arrays(data: bytes) -> dict[str, np.ndarray]:
    """Return the arrays in pickled `data`, named by where they stand, e.g. `0.3` or `w.bias`."""
    try:
        tree = read(data, _KNOWN)
        return {name: array.astype(float) for name, array in _leaves(tree, len(data))}
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"is not a readable pickle of arrays ({reason})") from error


def read_file(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a pickled file, or of a .npz whose members are pickled objects."""
    try:
        if path.suffix != ".npz":
            return read_arrays(path.read_bytes())
        return _read_npz(path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: is not a readable archive of arrays ({error})") from error


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            with archive.open(member) as stream:
                version = np.lib.format.read_magic(stream)
                header = np.lib.format.read_array_header_1_0
                if version != (1, 0):
                    header = np.lib.format.read_array_header_2_0
                shape, fortran, dtype = header(stream)
                body, name = stream.read(), member.removesuffix(".npy")
            if dtype.hasobject:
                nested = read_arrays(body)
                arrays |= {f"{name}.{key}".strip("."): value for key, value in nested.items()}
            elif dtype.kind in "fiu":
                order = "F" if fortran else "C"
                arrays[name] = np.frombuffer(body, dtype).reshape(shape, order=order).astype(float)
    return arrays


def _leaves(tree: Any, size: int) -> list[tuple[str, np.ndarray]]:
    """Return every array in the nested lists, tuples and dictionaries of a file of `size` bytes.

    What is written once may stand in many places. How often is bounded by the size, since a few
    bytes can describe lists of the same lists that would fill any memory.
    """
    entries_left, numbers_left = 100_000 + size, 10_000_000 + 16 * size
    found: list[tuple[str, np.ndarray]] = []
    pending: list[tuple[str, Any, tuple[int, ...]]] = [("", tree, ())]
    while pending:
        name, value, inside = pending.pop()
        if id(value) in inside:
            raise InputError("holds a list or dictionary that contains itself")
        content = _content(value) if isinstance(value, Record) else value
        if isinstance(content, np.ndarray):
            found.append((name, content))
            numbers_left -= content.size
        entries = _entries(content)
        entries_left -= len(entries)
        if min(entries_left, numbers_left) < 0 or len(inside) > _DEEPEST:
            raise InputError("repeats or nests its arrays too often; save them as .npz instead")
        pending.extend(
            (_join(name, key), entry, (*inside, id(value)))
            for key, entry in reversed(entries)
            if isinstance(entry, list | tuple | dict | Record)
        )
    return found


def _entries(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list | tuple) else []


def _content(record: Record) -> np.ndarray | list[Any] | dict[str, Any] | None:
    """Return what a recorded array holds, numbers or objects; None where no array is recorded."""
    match record.function.name, record.arguments:
        case "_frombuffer", (data, dtype, shape, order, *axes):
            return _numbers(shape, dtype, data, order, *axes)
        case "_reconstruct", _:
            state = record.state
        case "_reconstruct_array", (_, _, state, *_):
            pass
        case _:
            return None
    match state:
        case (_, _, _, _, list() as objects):  # a single one stands for itself
            return {"": objects[0]} if len(objects) == 1 else objects
        case (_, shape, dtype, fortran, data):
            return _numbers(shape, dtype, data, "F" if fortran else "C")
        case _:
            raise ValueError("an array without data")


def _numbers(shape: Any, dtype: Any, data: Any, order: Any, axes: Any = None) -> np.ndarray:
    """Return recorded bytes as an array, if their number is right."""
    kind, raw, shape = _kind(dtype), _bytes(data), tuple(shape)
    plain = len(shape) <= 32 and all(type(n) is int and 0 <= n < 2**48 for n in shape)
    if not plain or math.prod(shape) * kind.itemsize != len(raw):
        raise InputError("holds an array whose data do not fit its shape")
    array = np.frombuffer(raw, kind).reshape(shape, order="F" if order == "F" else "C")
    return array if axes is None else array.transpose(axes)


def _kind(dtype: Any) -> np.dtype:
    """Return a recorded type of numbers."""
    match dtype:
        case Record(function=Name(name="dtype"), arguments=(str() as code, *_), state=state):
            pass
        case _:
            raise ValueError("an array without a type")
    if not (code[:1] in "fiub" and code[1:].isdigit() and len(code) <= 3):
        raise InputError(f"holds an array of type {code[:20]!a}; only numbers are read")
    match state:
        case (_, "<" | ">" as order, *_):
            return np.dtype(order + code)
        case _:
            return np.dtype(code)


def _bytes(value: Any) -> bytes | bytearray:
    """Return recorded bytes; before protocol 3 they were written as text."""
    match value:
        case bytes() | bytearray():
            return value
        case str() as text:
            return text.encode("latin1")
        case Record(function=Name(name="encode"), arguments=(str() as text, "latin1")):
            return text.encode("latin1")
        case Record(function=Name(name="bytes"), arguments=()):
            return b""
        case _:
            raise InputError("holds an unexpected kind of text")


def _join(name: str, key: Any) -> str:
    joined = f"{name}.{_plain(key)}".strip(".")
    if len(joined) > _LONGEST:
        raise InputError(f"names an array by {len(joined)} letters; save it as .npz instead")
    return joined


def _plain(key: Any) -> Any:
    """Return a key of a dictionary with bytes and NumPy numbers for their records."""
    match key:
        case tuple():
            return tuple(_plain(part) for part in key)
        case Record(function=Name(name="scalar"), arguments=(dtype, data)):
            return _numbers((), dtype, data, "C").item()
        case Record():
            return bytes(_bytes(key))
        case _:
            return key
