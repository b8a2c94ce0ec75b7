"""Model files: safetensors arrays with JSON metadata. Reading one cannot run code."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from rgnn.core.errors import InputError

Arrays = dict[str, np.ndarray]


def write(path: Path, arrays: Mapping[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Write a model file; an interrupted write leaves the old one."""
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    part = path.with_name(path.name + ".part")
    try:
        save_file(whole, part, metadata=metadata)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def kind(path: Path) -> str:
    """Return the format a model file names, after checking that it is one."""
    return read(path, None)[1].get("format", "unknown")


def read(path: Path, expected: str | None) -> tuple[Arrays, dict[str, str]]:
    """Return arrays and metadata of a model file of the `expected` format (None: of any)."""
    if not path.is_file():
        raise InputError(f"no such model file: {path}")
    try:
        with safe_open(path, framework="numpy") as stream:
            metadata = stream.metadata() or {}
            names = [] if expected is None else stream.keys()
            arrays = {name: stream.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: damaged, or no rgnn model ({error})") from error
    if expected is not None and metadata.get("format") != expected:
        raise InputError(
            f"{path}: a file of format {metadata.get('format', 'unknown')!r}, expected {expected!r}"
        )
    return arrays, metadata
