"""The directory a run writes to: every file appears whole or not at all.

run = RunDirectory.create(Path("run"), resume=False, overwrite=False)
run.write_config(config)
run.write("model.safetensors", model.save)
run.write_metrics({"force_mae_meV_per_A": 12.3})
run.write_text("report.html", html)
run.finish(record)          # record.json comes last: it marks the run as finished
"""

import contextlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rgnn.core.errors import InputError
from rgnn.run import config as configuration
from rgnn.run.record import Record

T = TypeVar("T")

CONFIG = "config.yaml"
METRICS = "metrics.json"
RECORD = "record.json"
REPORT = "report.html"
CHECKPOINT = "checkpoint"
"""Name of the file or folder an unfinished fit leaves behind (any suffix)."""

_WRITTEN = (
    *(RECORD, METRICS, REPORT, f"{CHECKPOINT}*", "model*", "predictions*"),
    *("chip.npz", "inputs.json", "system.json", "samples.npz"),
    *("scan.json", "chips.json", "trace.csv", "trace.png"),
    *("trajectory.extxyz", "log.csv", "figures", "md", CONFIG),
)
"""What `overwrite` removes; the configuration, which marks a run, goes last."""


@dataclass(frozen=True)
class RunDirectory:
    """A folder with `config.yaml`, `metrics.json`, `model.*`, `record.json`, `report.html`."""

    path: Path

    @staticmethod
    def create(path: Path, *, resume: bool = False, overwrite: bool = False) -> "RunDirectory":
        """Return the run directory at `path`, made if needed.

        Raises InputError where it holds something already, unless `resume` (continue an unfinished
        run) or `overwrite` (forget the old run) is given. A run that failed before its first
        checkpoint left nothing to lose, and is begun anew.
        """
        run = RunDirectory(Path(path))
        if run.path.exists() and not run.path.is_dir():
            raise InputError(f"{path} is a file; --out needs a directory")
        if overwrite:
            run._clear()
        elif run.path.exists() and any(run.path.iterdir()):
            run._check_reuse(resume)
        run.path.mkdir(parents=True, exist_ok=True)
        return run

    @staticmethod
    def open(path: Path) -> "RunDirectory":
        """Return the run at `path`, which must be one."""
        run = RunDirectory(Path(path))
        if not run.path.is_dir():
            raise InputError(f"no such run directory: {path}")
        if not run.is_run:
            raise InputError(f"{path} is not a run directory: it has no {CONFIG}")
        return run

    @property
    def is_run(self) -> bool:
        """Return whether a run was started here."""
        return (self.path / CONFIG).is_file()

    @property
    def finished(self) -> bool:
        """Return whether the run was completed: its record is written last."""
        return (self.path / RECORD).is_file()

    def write(self, name: str, writer: Callable[[Path], object]) -> Path:
        """Let `writer` write the file `name`; it appears once complete. Return its path."""
        return write_whole(self.path / name, writer)

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file and return its path."""
        return self.write(name, lambda path: path.write_text(text, encoding="utf-8"))

    def write_json(self, name: str, values: Mapping[str, Any]) -> Path:
        """Write a JSON file and return its path; numbers that are not finite become null."""
        return write_json(self.path / name, values)

    def write_config(self, config: Any) -> Path:
        """Write the resolved configuration (a frozen dataclass)."""
        return self.write_text(CONFIG, configuration.to_yaml(config))

    def write_metrics(self, metrics: Mapping[str, Any]) -> Path:
        """Write `metrics.json`."""
        return self.write_json(METRICS, metrics)

    def finish(self, record: Record, *, keep_checkpoint: bool = False) -> Path:
        """Write `record.json`, which marks the run as finished, and drop its checkpoints.

        `keep_checkpoint` is for runs that may be prolonged later, such as molecular dynamics.
        """
        path = self.write_json(RECORD, record.as_dict())
        for leftover in [] if keep_checkpoint else self._ours(f"{CHECKPOINT}*"):
            _remove(leftover)
        return path

    def read_json(self, name: str) -> dict[str, Any]:
        """Return a JSON file of this run, or an empty dict where there is none."""
        return read_json(self.path / name) if (self.path / name).exists() else {}

    def read_config(self, kind: type[T]) -> T:
        """Return the resolved configuration of this run."""
        return configuration.load(kind, self.path / CONFIG)

    def check_same_config(self, config: Any) -> None:
        """Refuse to resume a run with other settings than it was started with."""
        if not self.is_run:
            return
        changed = configuration.differences(self.read_config(type(config)), config)
        if changed:
            raise InputError(
                f"{self.path} was started with other settings ({', '.join(changed)}); resume with "
                "the same ones, or start again with --overwrite"
            )

    def _check_reuse(self, resume: bool) -> None:
        if not self.is_run:
            raise InputError(f"{self.path} exists and is not a run directory; choose another --out")
        if self.finished and not resume:
            raise InputError(
                f"{self.path} holds a finished run; choose another --out or --overwrite"
            )
        if not resume and (self._ours(f"{CHECKPOINT}*") or self._ours("model*")):
            raise InputError(
                f"{self.path} holds an unfinished run; continue it with --resume or start again "
                "with --overwrite"
            )

    def _clear(self) -> None:
        """Remove what a run writes, and nothing else."""
        if self.path.exists() and any(self.path.iterdir()) and not self.is_run:
            raise InputError(
                f"{self.path} is not a run directory, so --overwrite leaves it alone; choose "
                "another --out"
            )
        for pattern in _WRITTEN:
            for old in self._ours(pattern):
                _remove(old)

    def _ours(self, pattern: str) -> list[Path]:
        return sorted(self.path.glob(pattern))


def write_whole(target: Path, writer: Callable[[Path], object]) -> Path:
    """Let `writer` write the file `target`, which appears once complete; return its path."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with _replacing(target) as temporary:
        writer(temporary)
    return target


def write_json(target: Path, values: Mapping[str, Any]) -> Path:
    """Write a JSON file and return its path; numbers that are not finite become null."""
    text = to_json(values)
    return write_whole(target, lambda path: path.write_text(text, encoding="utf-8"))


def to_json(values: Mapping[str, Any]) -> str:
    """Return indented JSON of plain or numpy numbers; NaN and infinities become null."""
    return json.dumps(_jsonable(values), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError):
        raise InputError(f"{path}: not valid JSON; the file is damaged") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a JSON object")
    return value


@contextlib.contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path of the same suffix that replaces `target` if all goes well."""
    temporary = target.with_name(f".{os.getpid()}.{target.name}")
    try:
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        error.filename = error.filename or str(target)
        raise
    finally:
        _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if hasattr(value, "tolist"):
        return _jsonable(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
