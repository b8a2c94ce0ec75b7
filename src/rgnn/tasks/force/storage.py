"""Force fields as files: safetensors arrays with JSON metadata, nothing executable."""

import json
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from rgnn.core.errors import InputError
from rgnn.device import archive
from rgnn.io import model_file
from rgnn.reservoir.beside import Beside
from rgnn.reservoir.build import Calibration
from rgnn.tasks.force.config import ForceConfig
from rgnn.tasks.force.gate import Gate
from rgnn.tasks.force.model import ForceField
from rgnn.tasks.force.readout import Readout

FORMAT = "rgnn-force-field-1"
"""Changes whenever older files would be read wrongly."""


def save(model: ForceField, path: Path) -> None:
    """Write `model` to `path`; an interrupted write leaves the old file."""
    readout = {
        f"readout.{f.name}": getattr(model.readout, f.name)
        for f in fields(Readout)
        if f.name not in ("spread_scale", "energy_noise", "summary")
    }
    calibration = {
        f"calibration.{f.name}": getattr(model.calibration, f.name)
        for f in fields(Calibration)
        if f.name != "beside"
    } | {f"calibration.{name}": own for name, own in model.calibration.beside._asdict().items()}
    gate = {} if model.gate is None else model.gate._asdict()
    arrays = (
        readout
        | calibration
        | {f"gate.{name}": array for name, array in gate.items()}
        | {
            "elements": np.array(model.elements),
            "scalars": np.array([model.readout.spread_scale, model.readout.energy_noise]),
            "chip": archive.to_bytes(model.chip),
        }
    )
    metadata = {
        "format": FORMAT,
        "config": json.dumps(asdict(model.config)),
        "summary": json.dumps(model.readout.summary),
    }
    model_file.write(path, arrays, metadata)


def load(path: str | Path) -> ForceField:
    """Return the model in `path`."""
    path = Path(path)
    arrays, metadata = model_file.read(path, FORMAT)
    try:
        return _from_parts(arrays, metadata)
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise InputError(f"{path}: incomplete or damaged force field ({error})") from error


def _from_parts(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> ForceField:
    config = TypeAdapter(ForceConfig).validate_json(metadata["config"])

    def under(prefix: str) -> dict[str, np.ndarray]:
        found = {k.partition(".") for k in arrays}
        return {name: arrays[f"{prefix}.{name}"] for head, _, name in found if head == prefix}

    scale, energy_noise = map(float, arrays["scalars"])
    calibration = under("calibration")
    beside = {n: calibration.pop(n) for n in Beside._fields if n in calibration}  # older have none
    readout = Readout(
        **under("readout"),
        spread_scale=scale,
        energy_noise=energy_noise,
        summary=json.loads(metadata["summary"]),
    )
    return ForceField(
        config,
        tuple(int(z) for z in arrays["elements"]),
        archive.from_bytes(arrays["chip"]),
        Calibration(**calibration, beside=Beside.nothing()._replace(**beside)),
        readout,
        Gate(**under("gate")) if under("gate") else None,
    )
