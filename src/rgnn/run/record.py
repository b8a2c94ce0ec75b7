"""What was run, on what, when and for how long: the record that makes a number traceable."""

import hashlib
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PACKAGES = ("jax", "jaxlib", "equinox", "numpy", "scipy", "ase", "vesin", "matplotlib")
"""Packages whose version can change a number."""


@dataclass(frozen=True)
class Stopwatch:
    """Wall and CPU clock readings taken when a run began."""

    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    wall: float = field(default_factory=time.perf_counter)
    cpu: float = field(default_factory=time.process_time)

    def elapsed(self) -> tuple[float, float]:
        """Return wall and CPU seconds (all threads of this process) since the start."""
        return time.perf_counter() - self.wall, time.process_time() - self.cpu


@dataclass(frozen=True)
class Record:
    """Origin and cost of a run, as written to `record.json`."""

    kind: str
    """What was run: `force`, `md`, `hamiltonian`, … (see `rgnn.run.kinds`)."""
    rgnn: str
    git_commit: str | None
    command: str
    seed: int
    started: str
    seconds: float
    cpu_seconds: float
    python: str
    host: str
    cpu: str
    threads: int
    packages: dict[str, str]
    data: dict[str, str]
    """File → SHA-256 of everything that was read."""
    extra: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the record as plain values."""
        return asdict(self)


def make(
    stopwatch: Stopwatch, *, kind: str, seed: int, data: Iterable[str | Path] = (), **extra: Any
) -> Record:
    """Return the record of the `kind` of run `stopwatch` timed and that read the files `data`."""
    seconds, cpu_seconds = stopwatch.elapsed()
    return Record(
        kind=kind,
        rgnn=importlib.metadata.version("rgnn"),
        git_commit=_git_commit(),
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        seed=seed,
        started=stopwatch.began.isoformat(timespec="seconds"),
        seconds=round(seconds, 3),
        cpu_seconds=round(cpu_seconds, 3),
        python=platform.python_version(),
        host=platform.node(),
        cpu=_cpu_name(),
        threads=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
        packages={name: v for name in PACKAGES if (v := _version(name)) is not None},
        data={str(path): checksum(path) for path in data if Path(path).is_file()},
        extra=extra,
    )


def checksum(path: str | Path) -> str:
    """Return the SHA-256 of a file."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """Return the commit of the checkout this package runs from; None when it was installed."""
    checkout = Path(__file__).parents[3]
    if not (checkout / ".git").exists():
        return None
    try:
        answer = subprocess.run(
            ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
