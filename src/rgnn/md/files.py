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
from rgnn.md.config import MDConfig
from rgnn.md.engine import State
from rgnn.md.sample import Sample, forces_std

TRAJECTORY, LOG, CHECKPOINT = "trajectory.extxyz", "log.csv", "checkpoint.npz"

Log = dict[str, np.ndarray]
"""Columns of the log by the names of `Sample`."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Everything from which a run continues exactly."""

    step: int
    atoms: Atoms
    state: State
    sizes: tuple[int, int]
    """Bytes of trajectory and log that belong to the run up to `step`."""
    physics: dict[str, object]


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
        path = self.out / CHECKPOINT
        partial = path.with_suffix(".partial")
        arrays = {
            "step": np.array(step),
            "numbers": atoms.numbers,
            "positions": atoms.positions,
            "momenta": atoms.get_momenta(),
            "cell": atoms.cell.array,
            "sizes": np.array([self.sizes[TRAJECTORY], self.sizes[LOG]]),
            "physics": np.array(json.dumps(config.physics())),
        } | {f"state/{name}": value for name, value in state.items()}
        try:
            with partial.open("wb") as stream:
                np.savez(stream, **arrays)  # pyright: ignore[reportArgumentType]
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
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


def load_checkpoint(out: Path, start: Atoms, config: MDConfig) -> Checkpoint | None:
    """Return where the run in `out` stopped, or `None` if it never began.

    Raises `InputError` if the file is damaged or belongs to other atoms or settings.
    """
    path = out / CHECKPOINT
    if not path.exists():
        return None
    checkpoint = _read_checkpoint(path, start)
    for name, value in config.physics().items():
        if (before := checkpoint.physics.get(name)) != value:
            raise InputError(
                f"{path}: the run had {name} = {before}, now {value}; resume with the same "
                "settings or start in another directory"
            )
    return checkpoint


def read_run(out: Path) -> Run:
    """Return what the run directory `out` holds, finished or not."""
    for name in (CHECKPOINT, TRAJECTORY, LOG):
        if not (out / name).exists():
            raise InputError(f"{out}: holds no {name}; give the directory of an md run")
    arrays = _load(out / CHECKPOINT)
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


def _load(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a checkpoint; raise `InputError` unless all are there."""
    try:
        with path.open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:
        raise InputError(f"{path}: damaged checkpoint ({error})") from error
    if missing := sorted(_CHECKPOINT_ARRAYS - arrays.keys()):
        raise InputError(f"{path}: not a checkpoint of an md run (no {', '.join(missing)})")
    return arrays


_CHECKPOINT_ARRAYS = {"step", "numbers", "positions", "momenta", "cell", "sizes", "physics"}


def _read_checkpoint(path: Path, start: Atoms) -> Checkpoint:
    arrays = _load(path)
    if not np.array_equal(arrays["numbers"], start.numbers):
        raise InputError(f"{path}: belongs to other atoms than the start structure")
    atoms = start.copy()
    atoms.set_cell(arrays["cell"])
    atoms.set_positions(arrays["positions"], apply_constraint=False)
    atoms.set_momenta(arrays["momenta"], apply_constraint=False)
    own = {k.removeprefix("state/"): v for k, v in arrays.items() if k.startswith("state/")}
    return Checkpoint(
        step=int(arrays["step"]),
        atoms=atoms,
        state=own,
        sizes=(int(arrays["sizes"][0]), int(arrays["sizes"][1])),
        physics=json.loads(str(arrays["physics"])),
    )


def _full(path: Path, error: OSError) -> InputError:
    return InputError(
        f"{path}: cannot write ({error.strerror}); everything up to the last checkpoint is kept: "
        "free some space and resume"
    )
