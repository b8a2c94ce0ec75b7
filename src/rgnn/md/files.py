"""The files of a run: log, trajectory and the checkpoint that says how much of them counts.

A checkpoint records the sizes of the other two files. Whatever lies beyond them (a frame cut
short by a kill, rows of the log that a resumed run will write again) is dropped on reading and
overwritten on resuming, so every reader sees whole frames and every frame once.
"""

import csv
import io
import json
import math
import os
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import iread
from ase.io.extxyz import write_extxyz
from jaxtyping import Float

from rgnn.core.errors import InputError
from rgnn.md.checkpoint import CHECKPOINT, Checkpoint, load_arrays
from rgnn.md.config import MDConfig
from rgnn.md.engine import State
from rgnn.md.sample import Sample, forces_std

TRAJECTORY, LOG = "trajectory.extxyz", "log.csv"

Log = dict[str, np.ndarray]
"""Columns of the log by the names of `Sample`."""


@dataclass(frozen=True, eq=False)
class Run:
    """A run as its files tell it, whole frames only."""

    frames: list[Atoms]
    """Positions unwrapped; momenta; `info` holds step, time_fs and potential_eV."""
    log: Log
    physics: dict[str, object]
    """The settings that made it, by their names in `MDConfig`."""


@dataclass
class Recorder:
    """Appends to log and trajectory of the run directory `out`."""

    out: Path
    sizes: dict[str, int] = field(default_factory=dict)

    def begin(self, checkpoint: Checkpoint | None) -> None:
        """Create the files, or cut them back to what `checkpoint` vouches for."""
        if checkpoint is None:
            for name in (TRAJECTORY, LOG):
                (self.out / name).write_bytes(b"")
                self.sizes[name] = 0
            self._append(LOG, ",".join(entry.name for entry in fields(Sample)) + "\n")
            return
        for name, size in zip((TRAJECTORY, LOG), checkpoint.sizes, strict=True):
            path = self.out / name
            if not path.exists() or path.stat().st_size < size:
                raise InputError(f"{path}: shorter than its checkpoint says; it cannot be resumed")
            os.truncate(path, size)
            self.sizes[name] = size

    def log(self, sample: Sample) -> None:
        """Append one row."""
        row = ("" if math.isnan(value) else repr(value) for value in astuple(sample))
        self._append(LOG, ",".join(row) + "\n")

    def frame(self, atoms: Atoms, sample: Sample) -> None:
        """Append one frame: positions (unwrapped), momenta and, if known, force uncertainty.

        Forces are left out on purpose: predictions must not be mistaken for training labels.
        """
        frame = Atoms(
            atoms.numbers,
            positions=atoms.positions,
            cell=atoms.cell,
            pbc=atoms.pbc,
            momenta=atoms.get_momenta(),
            masses=atoms.get_masses() if atoms.has("masses") else None,
        )
        if (std := forces_std(atoms)) is not None:
            frame.new_array("forces_std", std)
        frame.info = {
            "step": sample.step,
            "time_fs": sample.time_fs,
            "potential_eV": sample.potential_eV,
        }
        text = io.StringIO()
        write_extxyz(text, frame, write_results=False)
        self._append(TRAJECTORY, text.getvalue())

    def save(self, atoms: Atoms, state: State, config: MDConfig, step: int) -> None:
        """Replace the checkpoint, atomically."""
        sizes = (self.sizes[TRAJECTORY], self.sizes[LOG])
        kept = Checkpoint(step, atoms, state, sizes, config.physics())
        path = self.out / CHECKPOINT
        try:
            kept.save(path)
        except OSError as error:
            raise _full(path, error) from error

    def _append(self, name: str, text: str) -> None:
        path = self.out / name
        data = text.encode()
        try:
            with path.open("ab") as stream:
                stream.write(data)
        except OSError as error:
            os.truncate(path, self.sizes[name])
            raise _full(path, error) from error
        self.sizes[name] += len(data)


def read_run(out: Path) -> Run:
    """Return what the run directory `out` holds, finished or not."""
    for name in (CHECKPOINT, TRAJECTORY, LOG):
        if not (out / name).exists():
            raise InputError(f"{out}: holds no {name}; give the directory of an md run")
    arrays = load_arrays(out / CHECKPOINT)
    trajectory, log = (
        (out / name).read_bytes()[: int(size)].decode()
        for name, size in zip((TRAJECTORY, LOG), arrays["sizes"], strict=True)
    )
    frames = list(iread(io.StringIO(trajectory), index=":", format="extxyz"))
    return Run(frames, _parse_log(log), json.loads(str(arrays["physics"])))


def _parse_log(text: str) -> Log:
    rows = list(csv.DictReader(io.StringIO(text)))
    names = [entry.name for entry in fields(Sample)]
    return {name: _column([row[name] for row in rows]) for name in names}


def _column(cells: list[str]) -> Float[np.ndarray, " n_row"]:
    return np.array([float(cell) if cell else math.nan for cell in cells])


def _full(path: Path, error: OSError) -> InputError:
    return InputError(
        f"{path}: cannot write ({error.strerror}); everything up to the last checkpoint is kept: "
        "free some space and resume"
    )
