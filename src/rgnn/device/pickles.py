"""Arrays out of pickled files, by a reader that can execute nothing.

Pickle is a small program whose only way to run foreign code is to name a global and call it. The
reader below never imports what a file names: each of the few names that plain NumPy and JAX arrays
are made of is answered by a stand-in of this module, made anew for every file, that only records
what it is given; every other name is refused. Instructions that create objects in other ways are
refused before reading starts. What was recorded is then turned into arrays of numbers by us.
"""

import io
import math
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from rgnn.core.errors import InputError

_FORBIDDEN = {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"}
_NUMPY = {f"numpy.{core}.multiarray" for core in ("core", "_core")}
_NUMERIC = {f"numpy.{core}.numeric" for core in ("core", "_core")}


class _DType:
    """Records a NumPy dtype: its code and byte order."""

    def __init__(self, code: Any, *_: Any):
        self.code, self.order = code, "<"

    def __setstate__(self, state: Any) -> None:
        self.order = state[1] if state[1] in ("<", ">") else "="

    def numeric(self) -> np.dtype:
        if not (isinstance(self.code, str) and self.code[:1] in "fiub" and len(self.code) <= 3):
            raise InputError(f"holds an array of type {self.code!r}; only numbers are read")
        return np.dtype(self.order + self.code)


class _Array:
    """Records an array: shape, dtype, order and bytes."""

    def __init__(self, *_: Any):
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def values(self) -> np.ndarray:
        _, shape, dtype, fortran, raw = self.state
        kind = dtype.numeric()
        if not isinstance(raw, bytes) or len(raw) != math.prod(shape) * kind.itemsize:
            raise InputError("holds an array whose data do not fit its shape")
        order = "F" if fortran else "C"
        return np.frombuffer(raw, kind).reshape(tuple(shape), order=order).astype(float)


def _jax_array(_: Any, __: Any, state: Any, *___: Any) -> _Array:
    array = _Array()
    array.state = state
    return array


def _from_buffer(buffer: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> _Array:
    array = _Array()
    array.state = (1, shape, dtype, order == "F", bytes(buffer))
    return array


def _encoded(text: Any, codec: Any = "latin1") -> bytes:
    if codec != "latin1" or not isinstance(text, str):
        raise InputError("holds an unexpected kind of text")
    return text.encode("latin1")


class _Reader(pickle.Unpickler):
    """An unpickler that knows stand-ins and nothing else."""

    def __init__(self, data: bytes):
        super().__init__(io.BytesIO(data), encoding="latin1")
        array, dtype = type("Array", (_Array,), {}), type("DType", (_DType,), {})
        self._known: dict[tuple[str, str], Any] = {
            ("numpy", "ndarray"): array,
            ("numpy", "dtype"): dtype,
            ("_codecs", "encode"): lambda text, codec="latin1": _encoded(text, codec),
            ("jax._src.array", "_reconstruct_array"): lambda *parts: _jax_array(*parts),
            **{(module, "_frombuffer"): lambda *parts: _from_buffer(*parts) for module in _NUMERIC},
            **{(module, "_reconstruct"): lambda *_: array() for module in _NUMPY},
            **{(module, "scalar"): lambda *_: None for module in _NUMPY},  # left out
        }

    def find_class(self, module: str, name: str, /) -> Any:
        try:
            return self._known[module, name]
        except KeyError:
            raise InputError(
                f"asks for {module}.{name}; only plain NumPy and JAX arrays are read, nothing is "
                "executed. Save the arrays as .npz instead"
            ) from None


def read_arrays(data: bytes) -> dict[str, np.ndarray]:
    """Return the arrays in pickled `data`, named by where they stand, e.g. `0.3` or `w.bias`."""
    try:
        for opcode, _, _ in pickletools.genops(data):
            if opcode.name in _FORBIDDEN:
                raise InputError(f"uses the instruction {opcode.name}, which plain arrays never do")
        tree = _Reader(data).load()
        return {name: array.values() for name, array in _leaves(tree)}
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"is not a readable pickle of arrays ({error})") from error


def read_file(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a pickled file, or of a .npz whose members are pickled objects."""
    try:
        if path.suffix != ".npz":
            return read_arrays(path.read_bytes())
        return _read_npz(path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    import zipfile

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


def _leaves(tree: Any, name: str = "") -> list[tuple[str, _Array]]:
    """Return every recorded array in nested lists, tuples and dictionaries."""
    if isinstance(tree, _Array):
        if isinstance(tree.state[-1], list):  # an object array: its entries are leaves themselves
            return _leaves(tree.state[-1] if len(tree.state[-1]) > 1 else tree.state[-1][0], name)
        return [(name, tree)]
    if isinstance(tree, dict):
        items = [(str(key), value) for key, value in tree.items()]
    elif isinstance(tree, (list, tuple)):
        items = [(str(index), value) for index, value in enumerate(tree)]
    else:
        return []
    found = [_leaves(value, f"{name}.{key}".strip(".")) for key, value in items]
    return [leaf for leaves in found for leaf in leaves]
