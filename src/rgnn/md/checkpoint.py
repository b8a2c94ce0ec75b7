"""The one file from which a run continues."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from rgnn.core.errors import InputError
from rgnn.md.config import MDConfig
from rgnn.md.engine import State

CHECKPOINT = "checkpoint.npz"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Everything from which a run continues exactly."""

    step: int
    atoms: Atoms
    state: State
    sizes: tuple[int, int]
    """Bytes of trajectory and log that belong to the run up to `step`."""
    physics: dict[str, object]
    """The settings that a continued run must share."""

    def save(self, path: Path) -> None:
        """Write to `path` so that it appears whole or not at all; raises `OSError`."""
        partial = path.with_suffix(".partial")
        arrays = {
            "step": np.array(self.step),
            "numbers": self.atoms.numbers,
            "positions": self.atoms.positions,
            "momenta": self.atoms.get_momenta(),
            "cell": self.atoms.cell.array,
            "sizes": np.array(self.sizes),
            "physics": np.array(json.dumps(self.physics)),
        } | {f"state/{name}": value for name, value in self.state.items()}
        try:
            with partial.open("wb") as stream:
                np.savez(stream, **arrays)  # pyright: ignore[reportArgumentType]
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def load_checkpoint(out: Path, start: Atoms, config: MDConfig) -> Checkpoint | None:
    """Return where the run in `out` stopped, or `None` if it never began.

    Raises `InputError` if the file is damaged or belongs to other atoms or settings.
    """
    path = out / CHECKPOINT
    if not path.exists():
        return None
    checkpoint = _read(path, start)
    for name, value in config.physics().items():
        if (before := checkpoint.physics.get(name)) != value:
            raise InputError(
                f"{path}: the run had {name} = {before}, now {value}; resume with the same "
                "settings or start in another directory"
            )
    return checkpoint


def load_arrays(path: Path) -> dict[str, np.ndarray]:
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


def _read(path: Path, start: Atoms) -> Checkpoint:
    arrays = load_arrays(path)
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
