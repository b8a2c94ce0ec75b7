"""Frozen dataclasses are the configuration; YAML is their text form.

A configuration is read from an optional YAML file, changed by assignments such as
`readout.rounds=5`, and checked as a whole: unknown keys are refused, every error is reported with
its path.
"""

import dataclasses
import difflib
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from rgnn.core.errors import InputError

T = TypeVar("T")


def resolve(
    kind: type[T],
    *,
    file: Path | None = None,
    assignments: Sequence[str] = (),
    base: T | None = None,
) -> T:
    """Return the configuration that `file` (YAML) and then `assignments` (`a.b=value`) describe.

    What neither names stays as in `base`, or keeps its default. Raises InputError that lists
    everything wrong.
    """
    data = {} if file is None else _read_yaml(file)
    if base is not None:
        data = _merged(to_dict(base), data)
    origin = str(file) if file else "settings"
    return from_dict(kind, _assign(data, assignments), origin=origin)


def load(kind: type[T], file: Path) -> T:
    """Return the configuration written in `file` (YAML)."""
    return resolve(kind, file=file)


def from_dict(kind: type[T], data: Mapping[str, Any], *, origin: str = "settings") -> T:
    """Return `data` as the frozen dataclass `kind`; types are converted, unknown keys refused."""
    import pydantic

    problems = list(_unknown_keys(kind, data))
    try:
        value = pydantic.TypeAdapter(kind).validate_python(dict(data))
    except pydantic.ValidationError as error:
        problems += [_explain(dict(detail)) for detail in error.errors()]
    else:
        if not problems:
            return value
    raise InputError(f"{origin}: " + "; ".join(problems))


def to_dict(config: Any) -> dict[str, Any]:
    """Return a dataclass as plain dicts, lists, numbers and strings."""
    return {f.name: _plain(getattr(config, f.name)) for f in dataclasses.fields(config)}


def to_yaml(config: Any) -> str:
    """Return the resolved configuration as YAML text that `load` reads back."""
    return yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True)


def differences(one: Any, other: Any) -> list[str]:
    """Return the dotted names of the settings in which two configurations differ."""
    left, right = dict(_leaves(to_dict(one))), dict(_leaves(to_dict(other)))
    return sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))


def changes(one: Any, other: Any) -> list[str]:
    """Return the assignments, `a.b=value`, that turn one configuration into the other."""
    values = dict(_leaves(to_dict(other)))
    return [f"{name}={values[name]}" for name in differences(one, other)]


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"no such configuration file: {file}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: not valid YAML ({' '.join(str(error).split())})") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise InputError(f"{file}: expected `name: value` lines, found a {type(data).__name__}")
    return data


def _merged(data: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return `data` with every leaf that `changes` has replaced."""
    both = {
        key: _merged(data[key], value)
        for key, value in changes.items()
        if isinstance(value, dict) and isinstance(data.get(key), dict)
    }
    return data | changes | both


def _assign(data: dict[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Return a copy of `data` with every `dotted.name=value` set."""
    result: dict[str, Any] = _plain(data)
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip():
            raise InputError(f"'{assignment}': expected name=value, e.g. --set periphery.bits=6")
        *parents, last = name.strip().split(".")
        branch = result
        for parent in parents:
            branch = branch.setdefault(parent, {})
            if not isinstance(branch, dict):
                raise InputError(f"'{assignment}': '{parent}' is a single value, not a section")
        branch[last] = _parse_value(assignment, text)
    return result


def _parse_value(assignment: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise InputError(f"'{assignment}': cannot read the value '{text}'") from None


def _unknown_keys(kind: Any, data: Any, prefix: str = "") -> Iterator[str]:
    """Yield a sentence for every key of `data` that the dataclass `kind` does not have."""
    kind = _dataclass_in(kind)
    if kind is None or not isinstance(data, Mapping):
        return
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind) if field.init]
    for key, value in data.items():
        if key in names:
            yield from _unknown_keys(hints[key], value, f"{prefix}{key}.")
        else:
            yield f"unknown setting '{prefix}{key}'{_suggest(str(key), names, prefix)}"


def _dataclass_in(kind: Any) -> Any:
    """Return the dataclass that `kind` is or, as in `Kind | None`, contains; else None."""
    options = (kind, *typing.get_args(kind))
    return next((o for o in options if dataclasses.is_dataclass(o) and isinstance(o, type)), None)


def _suggest(key: str, names: Sequence[str], prefix: str) -> str:
    close = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    if close:
        return f" – did you mean '{prefix}{close[0]}'?"
    return f" – known: {', '.join(prefix + name for name in names)}"


def _explain(detail: dict[str, Any]) -> str:
    """Return one of pydantic's findings in plain words: where, what was expected, what found."""
    where = ".".join(str(part) for part in detail["loc"])
    message = str(detail["msg"]).removeprefix("Value error, ")
    found = "" if isinstance(detail["input"], dict) else f", found {detail['input']!r}"
    place = f"{where}: " if where else ""
    return f"{place}{message[:1].lower()}{message[1:]}{found}"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _leaves(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
