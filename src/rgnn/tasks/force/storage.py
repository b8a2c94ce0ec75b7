"""Force fields as files: safetensors arrays with JSON metadata, nothing executable."""

import json
import os
import tempfile
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from rgnn.core.errors import InputError
from rgnn.device import archive
from rgnn.device.chip import Chip
from rgnn.reservoir.build import Calibration
from rgnn.tasks.force.config import ForceConfig
from rgnn.tasks.force.model import ForceField
from rgnn.tasks.force.readout import Readout

FORMAT = "rgnn-force-field-1"
"""Changes whenever older files would be read wrongly."""


def save(model: ForceField, path: Path) -> None:
    """Write `model` to `path`; an interrupted write leaves the old file."""
    readout = {
        f"readout.{f.name}": np.ascontiguousarray(getattr(model.readout, f.name))
        for f in fields(Readout)
        if f.name not in ("spread_scale", "energy_noise", "summary")
    }
    calibration = {
        f"calibration.{f.name}": np.ascontiguousarray(getattr(model.calibration, f.name))
        for f in fields(Calibration)
    }
    arrays = (
        readout
        | calibration
        | {
            "elements": np.array(model.elements),
            "scalars": np.array([model.readout.spread_scale, model.readout.energy_noise]),
            "chip": _chip_bytes(model.chip),
        }
    )
    metadata = {
        "format": FORMAT,
        "config": json.dumps(asdict(model.config)),
        "summary": json.dumps(model.readout.summary),
    }
    part = path.with_name(path.name + ".part")
    try:
        save_file(arrays, part, metadata=metadata)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def load(path: str | Path) -> ForceField:
    """Return the model in `path`."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no such model file: {path}")
    try:
        with safe_open(path, framework="numpy") as stream:
            metadata = stream.metadata() or {}
            arrays = {name: stream.get_tensor(name) for name in stream.keys()}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: damaged, or no rgnn model ({error})") from error
    if metadata.get("format") != FORMAT:
        raise InputError(
            f"{path}: no rgnn force field (format {metadata.get('format', 'unknown')!r}, expected "
            f"{FORMAT!r}); fit a model with `rgnn force fit`"
        )
    try:
        return _from_parts(arrays, metadata)
    except (KeyError, ValueError, ValidationError) as error:
        raise InputError(f"{path}: incomplete or damaged force field ({error})") from error


def _from_parts(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> ForceField:
    config = TypeAdapter(ForceConfig).validate_json(metadata["config"])

    def under(prefix: str) -> dict[str, np.ndarray]:
        found = {k.partition(".") for k in arrays}
        return {name: arrays[f"{prefix}.{name}"] for head, _, name in found if head == prefix}

    scale, energy_noise = map(float, arrays["scalars"])
    readout = Readout(
        **under("readout"),
        spread_scale=scale,
        energy_noise=energy_noise,
        summary=json.loads(metadata["summary"]),
    )
    return ForceField(
        config,
        tuple(int(z) for z in arrays["elements"]),
        _chip_from(arrays["chip"]),
        Calibration(**under("calibration")),
        readout,
    )


def _chip_bytes(chip: Chip) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chip.npz"
        archive.write(chip, path)
        return np.frombuffer(path.read_bytes(), np.uint8)


def _chip_from(data: np.ndarray) -> Chip:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chip.npz"
        path.write_bytes(data.astype(np.uint8).tobytes())
        return archive.read(path)
