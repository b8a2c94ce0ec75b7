"""Stream labelled frames into normal equations, stop anywhere, continue there."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

import numpy as np
from jaxtyping import Float

from rgnn.core import keys
from rgnn.core.errors import InputError
from rgnn.core.structure import Frame
from rgnn.readout.gram import Gram
from rgnn.tasks.force import engine
from rgnn.tasks.force.gate import Network
from rgnn.tasks.force.rows import VOIGT, Rows, assemble

Progress = Callable[[str, int, int], None]

SAVE_EVERY = 60.0
"""Seconds between checkpoints."""


@dataclass
class Sums:
    """Everything the readout needs to know of the training frames.

    Energy rows are few and kept; force and stress rows only as Gram matrices; invariants only by
    their moments. `kept` holds the force rows of a few frames, read after read, so that all that
    the sums hold of these frames can be left out.
    """

    forces: Gram
    virial: Gram
    energy_rows: Float[np.ndarray, "n_frame n_species n_feature"]
    first: Float[np.ndarray, "n_species n_feature"]
    second: Float[np.ndarray, "n_species n_feature"]
    kept: dict[int, Float[np.ndarray, "n_row n"]]
    done: int = 0
    whole: bool = True
    """Whether no frame is half added."""

    @staticmethod
    def zeros(n_frame: int, n_species: int, n_feature: int) -> "Sums":
        """Return the sums of no frames."""
        n = n_species * n_feature
        moments = np.zeros((2, n_species, n_feature))
        return Sums(
            Gram.zeros(n),
            Gram.zeros(n),
            np.zeros((n_frame, n_species, n_feature)),
            moments[0],
            moments[1],
            {},
        )

    def add(self, frame: Frame, rows: Rows, weight: float, use_stress: bool) -> None:
        """Add the rows of one read of a frame, which counts `weight` of a frame."""
        n = self.first.size
        forces = frame.labels.forces
        if forces is None:
            raise InputError(f"{frame.source}: no forces")
        self.forces.add(rows.forces.reshape(-1, n), forces.ravel(), weight)
        if use_stress and frame.labels.stress is not None:
            target = np.array([frame.labels.stress[a, b] for a, b in VOIGT])
            length = np.cbrt(frame.structure.volume)
            self.virial.add(rows.virial.reshape(6, n) / length, target * length**2, weight)
        self.energy_rows[self.done] += weight * rows.energy


@dataclass(frozen=True)
class Checkpoint:
    """Where sums are kept while a pass goes on, and what they belong to."""

    path: Path | None
    resume: bool
    identity: str
    """Names data, chip and settings: only a checkpoint of the same is continued."""

    def of_pass(self, name: int | str) -> "Checkpoint":
        """Return the checkpoint of another pass over the same frames, a file of its own."""
        path = self.path
        if path is not None:
            path = path.with_name(f"{path.stem}-{name}{path.suffix}")
        return replace(self, path=path, identity=f"{self.identity} pass {name}")


def accumulate(
    reservoir: Network,
    frames: Sequence[Frame],
    build: engine.Builder,
    *,
    reads: int,
    use_stress: bool,
    keep: Collection[int],
    seed: int,
    progress: Progress | None,
    checkpoint: Checkpoint,
) -> Sums:
    """Return the sums over all frames; with a checkpoint an interrupted run can be resumed."""
    n_species = len(build.elements)
    sums = Sums.zeros(len(frames), n_species, reservoir.n_feature)
    if checkpoint.resume and checkpoint.path is not None and checkpoint.path.exists():
        sums = load(checkpoint.path, checkpoint.identity)
    root = keys.root(seed)
    saved = monotonic()
    try:
        for number in range(sums.done, len(frames)):
            sums.whole = False
            _add_frame(sums, reservoir, frames[number], build, root, reads, use_stress, keep)
            sums.done, sums.whole = number + 1, True
            if progress is not None:
                progress("training frames", sums.done, len(frames))
            if checkpoint.path is not None and monotonic() - saved > SAVE_EVERY:
                save(sums, checkpoint.path, checkpoint.identity)
                saved = monotonic()
    except KeyboardInterrupt:
        if checkpoint.path is not None and sums.whole:
            save(sums, checkpoint.path, checkpoint.identity)
        raise
    for gram in (sums.forces, sums.virial):
        gram.flush()
    return sums


def _add_frame(
    sums: Sums,
    reservoir: Network,
    frame: Frame,
    build: engine.Builder,
    root,
    reads: int,
    use_stress: bool,
    keep: Collection[int],
) -> None:
    number = sums.done
    around = build(frame.structure)
    n_read, seen = reads if reservoir.noisy else 1, []
    for read in range(n_read):
        key = keys.child(root, "training read", number, read) if reservoir.noisy else None
        design = engine.as_numpy(engine.design(reservoir, around, key))
        rows = assemble(around, len(build.elements), design)
        sums.add(frame, rows, 1 / n_read, use_stress)
        if number in keep:
            seen.append(rows.forces.reshape(-1, sums.first.size))
        for s in range(len(build.elements)):
            mine = np.asarray(around.full.species[: len(frame)]) == s
            own = design.invariants[: len(frame)][mine].astype(np.float64)
            sums.first[s] += own.sum(axis=0) / n_read
            sums.second[s] += np.square(own).sum(axis=0) / n_read
    if seen:
        sums.kept[number] = np.concatenate(seen)


def save(sums: Sums, path: Path, identity: str) -> None:
    """Write the sums."""
    for gram in (sums.forces, sums.virial):
        gram.flush()
    arrays: dict[str, np.ndarray] = {
        "identity": np.array(identity),
        "done": np.array(sums.done),
        "energy_rows": sums.energy_rows,
        "first": sums.first,
        "second": sums.second,
    }
    for name, gram in (("forces", sums.forces), ("virial", sums.virial)):
        arrays[f"{name}_matrix"] = gram.matrix
        arrays[f"{name}_moment"] = gram.moment
        arrays[f"{name}_sums"] = np.array([gram.square, gram.count])
    for number, rows in sums.kept.items():
        arrays[f"kept_{number}"] = rows
    write(path, arrays)


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write plain arrays so that a kill at any moment leaves the last complete file."""
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def read(path: Path, identity: str) -> dict[str, np.ndarray]:
    """Return the arrays in `path`, which must belong to the same data, chip and settings."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:
        raise InputError(f"{path}: unreadable checkpoint ({error}); start without it") from error
    if str(arrays.get("identity")) != identity:
        raise InputError(
            f"{path}: checkpoint of other data, another chip or other settings; start without it"
        )
    return arrays


def load(path: Path, identity: str) -> Sums:
    """Return the sums in `path`, which must belong to the same data, chip and settings."""
    arrays = read(path, identity)

    def gram(name: str) -> Gram:
        square, count = arrays[f"{name}_sums"]
        return Gram(arrays[f"{name}_matrix"], arrays[f"{name}_moment"], float(square), float(count))

    kept = {int(k[5:]): v for k, v in arrays.items() if k.startswith("kept_")}
    return Sums(
        gram("forces"),
        gram("virial"),
        arrays["energy_rows"],
        arrays["first"],
        arrays["second"],
        kept,
        int(arrays["done"]),
    )
