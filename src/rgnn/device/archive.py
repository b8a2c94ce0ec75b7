"""Chips as .npz files of plain arrays."""

import tempfile
import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from rgnn.core.errors import InputError
from rgnn.device.chip import Chip
from rgnn.device.noise import ReadNoise
from rgnn.device.wires import Wires


def write(chip: Chip, path: Path) -> None:
    """Write `chip` to `path`; conductances are kept in single precision."""
    arrays = {
        "conductance_uS": chip.conductance.astype(np.float32),
        "noise": np.array([chip.noise.relative, chip.noise.additive]),
        "wiring": np.array(chip.wiring),
        "name": np.array(chip.name),
    }
    if chip.unit_weight is not None:
        arrays["unit_weight_uS"] = np.array(chip.unit_weight)
    if chip.wires is not None:
        arrays["wires_ohm"] = np.array([chip.wires.word_line, chip.wires.bit_line])
        arrays["drive"] = np.array(chip.wires.drive)
    with path.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def read(path: Path) -> Chip:
    """Return the chip in `path`: written by `write`, or any file with one map [µS]."""
    arrays = load_arrays(path)
    if "conductance_uS" not in arrays:
        return Chip(as_macros(_only_map(arrays, path)), name=path.stem)
    wires = None
    if "wires_ohm" in arrays:
        word_line, bit_line = map(float, arrays["wires_ohm"])
        wires = Wires(word_line, bit_line, str(arrays["drive"]))  # pyright: ignore[reportArgumentType]
    return Chip(
        as_macros(arrays["conductance_uS"].astype(float)),
        ReadNoise(*map(float, arrays.get("noise", np.zeros(2)))),
        str(arrays.get("wiring", "pairs")),  # pyright: ignore[reportArgumentType]
        str(arrays.get("name", path.stem)),
        wires,
        float(arrays["unit_weight_uS"]) if "unit_weight_uS" in arrays else None,
    )


def to_bytes(chip: Chip) -> UInt8[np.ndarray, " n_byte"]:
    """Return what `write` writes, as an array that fits into a model file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chip.npz"
        write(chip, path)
        return np.frombuffer(path.read_bytes(), np.uint8)


def from_bytes(data: UInt8[np.ndarray, " n_byte"]) -> Chip:
    """Return the chip that `to_bytes` packed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chip.npz"
        path.write_bytes(data.astype(np.uint8).tobytes())
        return read(path)


def as_macros(cells: Float[np.ndarray, "..."]) -> Float[np.ndarray, "n_macro n_row n_column"]:
    """Return a map of one macro or several as macros."""
    if cells.ndim not in (2, 3):
        raise InputError(
            f"the conductance map has shape {cells.shape}; expected (rows, columns) or "
            "(macros, rows, columns)"
        )
    return cells[None] if cells.ndim == 2 else cells


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a .npz or .npy file, none of which may hold Python objects."""
    if not path.exists():
        raise InputError(f"no such chip file: {path}")
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            return {path.stem: archive}
        with archive:
            members = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: not a .npz file of plain arrays (Python objects are never loaded)"
        ) from error
    # NumPy hands over members that are no arrays as they are, as bytes.
    return {name: value for name, value in members.items() if isinstance(value, np.ndarray)}


def _only_map(arrays: dict[str, np.ndarray], path: Path) -> Float[np.ndarray, "..."]:
    maps = [a for a in arrays.values() if a.ndim >= 2 and np.issubdtype(a.dtype, np.number)]
    if len(maps) != 1:
        raise InputError(
            f"{path}: expected one map named 'conductance_uS', found {sorted(arrays) or 'nothing'}"
        )
    return maps[0].astype(float)
