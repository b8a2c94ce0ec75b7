"""Constants of the cost model: value, spread and source of each, and the user's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml

from rgnn.core.errors import InputError

Case = Literal["low", "typical", "high"]
CASES: tuple[Case, ...] = ("low", "typical", "high")


@dataclass(frozen=True)
class Constant:
    """A number between `low` and `high`, its unit, and who published it."""

    low: float
    typical: float
    high: float
    unit: str
    source: str


Constants = Mapping[str, Constant]


def load(path: Path | None = None) -> Constants:
    """Return the packaged constants, with those replaced that a YAML file at `path` names.

    The file maps names to a number, or to `low`, `typical`, `high` and optionally `source`.
    """
    packaged = yaml.safe_load((resources.files("rgnn.cost") / "constants.yaml").read_text("utf-8"))
    constants = {name: Constant(**fields) for name, fields in packaged.items()}
    if path is None:
        return constants
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    try:
        own = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not readable as YAML ({str(error).splitlines()[0]})") from error
    if not isinstance(own, dict):
        raise InputError(f"{path}: expected lines such as 'read_voltage: 0.15'")
    for name, value in own.items():
        if name not in constants:
            raise InputError(f"{path}: unknown constant '{name}'; known: {', '.join(constants)}")
        constants[name] = _own(constants[name], value, f"{path.name}, {name}")
    return constants


def _own(packaged: Constant, value: Any, where: str) -> Constant:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = dict.fromkeys(CASES, value)
    if not isinstance(value, dict) or not set(CASES) <= set(value):
        raise InputError(f"{where}: expected a number, or low, typical and high")
    try:
        low, typical, high = (float(value[case]) for case in CASES)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: low, typical and high must be numbers") from error
    if not 0 < low <= typical <= high:
        raise InputError(f"{where}: needs 0 < low ≤ typical ≤ high, got {low}, {typical}, {high}")
    return Constant(
        low, typical, high, packaged.unit, str(value.get("source", "given by the user"))
    )
