"""Structure files to and from frames: one door for every format.

`read_frames` and `iter_frames` take anything ASE reads and DeePMD folders; `as_frames` takes what a
Python user already holds; `write_frames` writes extended XYZ. All frames that come through here are
checked (`rgnn.io.validate`), so that nothing further in has to ask again.
"""

import os
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path

import ase.db
import ase.io
import ase.io.formats
import numpy as np
from ase import Atoms

from rgnn.core.errors import InputError, reason
from rgnn.core.structure import Frame
from rgnn.io.atoms import as_frames as as_frames
from rgnn.io.atoms import from_ase as from_ase
from rgnn.io.atoms import structure_of as structure_of
from rgnn.io.atoms import to_ase as to_ase
from rgnn.io.deepmd import iter_deepmd
from rgnn.io.extxyz import iter_xyz
from rgnn.io.validate import check_frame


def read_frames(
    paths: str | Path | Sequence[str | Path], *, need_labels: bool = True, index: str = ":"
) -> list[Frame]:
    """Return all frames of all files, in order, checked and ready to use.

    A path is any file ASE reads (extended XYZ, ASE database, VASP OUTCAR and vasprun.xml, ASE
    trajectory, CIF, POSCAR, …, also compressed with gz, bz2 or xz) or a DeePMD folder (with
    `type.raw` and `set.*/coord.npy`, or a folder of such systems; needs the extra `deepmd`).
    `file@0:10` picks frames of one file in Python's slice notation, `index` of each file that
    has no slice of its own. Numbers in sources and messages count from 0 in the whole file.

    With `need_labels` every frame must have an energy and forces; stress is optional.
    Units: eV, Å, eV/Å, eV/Å³ (ASE sign).

    Raises
    ------
    InputError
        naming file and frame: missing, empty, foreign or truncated file, no frames in the slice,
        missing, wrong-shaped or non-finite values, coinciding atoms, flat cell.
    MissingExtra
        when a DeePMD folder is read without dpdata.
    """
    return list(iter_frames(paths, need_labels=need_labels, index=index))


def iter_frames(
    paths: str | Path | Sequence[str | Path], *, need_labels: bool = True, index: str = ":"
) -> Iterator[Frame]:
    """Yield what `read_frames` returns one frame at a time, holding one in memory where possible.

    Wrap it in a progress bar, or stop early: extended XYZ is read no further than asked.
    """
    entries = [paths] if isinstance(paths, str | Path) else list(paths)
    if not entries:
        raise InputError("no files given; name at least one structure file")
    for entry in entries:
        path, text = _split_slice(entry, index)
        found = False
        for frame in _pick(_open(path), _slice(text, path)):
            found = True
            check_frame(frame, need_labels=need_labels)
            yield frame
        if not found:
            raise InputError(f"{path}: no frames in `{text}`; check the file and the slice")


def write_frames(
    path: str | Path,
    frames: Sequence[Frame],
    *,
    forces_std: Sequence[np.ndarray] | None = None,
    energy_std: Sequence[float] | None = None,
) -> None:
    """Write frames as extended XYZ with `energy`, `forces` and `stress`, and their uncertainties.

    `forces_std` [eV/Å] holds one array per frame, shape (n_atom,) or (n_atom, 3); `energy_std`
    [eV] one number per frame. The file appears whole or not at all; missing folders are made.
    """
    images = [to_ase(frame) for frame in frames]
    if forces_std is not None:
        for atoms, deviation in zip(images, forces_std, strict=True):
            atoms.new_array("forces_std", np.asarray(deviation, dtype=float))
    if energy_std is not None:
        for atoms, deviation in zip(images, energy_std, strict=True):
            atoms.info["energy_std"] = float(deviation)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        ase.io.write(partial, images, format="extxyz")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _open(path: Path) -> Iterator[Frame]:
    """Return the unchecked frames of one file or folder, each with its source."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; check the path")
    if path.is_dir():
        return iter_deepmd(path)
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty; write or download it again")
    return (
        from_ase(atoms, f"{path}, frame {number}") for number, atoms in enumerate(_images(path))
    )


def _images(path: Path) -> Iterator[Atoms]:
    """Return the images of a file, read by what knows its format best."""
    name = _format(path)
    if name == "extxyz":
        return iter_xyz(path)
    if name in ("db", "json"):
        return _named(_rows(path, name), path, name)
    images = ase.io.iread(str(path), index=":", format=name, do_not_split_by_at_sign=True)
    return _named(images, path, name)


def _format(path: Path) -> str:
    """Return ASE's name of the file's format."""
    try:
        # Absolute, since ASE takes a name that begins with `postgres` for a server.
        name = ase.io.formats.filetype(str(path.absolute()))
    except Exception as error:  # unknown type, damaged compression, no permission
        raise InputError(
            f"{path}: ASE cannot tell its format ({reason(error)}); is the file whole?"
        ) from error
    known = ase.io.formats.ioformats.get(name)
    if known is None or not known.can_read:
        raise InputError(f"{path}: not a structure file ASE reads; convert it to extended XYZ")
    return name


def _rows(path: Path, name: str) -> Iterator[Atoms]:
    """Yield the rows of an ASE database with their key-value pairs, which ASE's reader drops."""
    for row in ase.db.connect(str(path), type=name, serial=True).select():
        atoms = row.toatoms(add_additional_information=True)
        del atoms.info["unique_id"]
        yield atoms


def _named(images: Iterator[Atoms], path: Path, name: str) -> Iterator[Atoms]:
    """Yield the images; an error of their reader becomes one line that names the frame."""
    for number in count():
        try:
            image = next(images)
        except StopIteration:
            return
        except Exception as error:  # readers of foreign formats raise anything
            raise InputError(
                f"{path}, frame {number}: ASE cannot read it as {name} ({reason(error)}); "
                "the file is truncated or damaged"
            ) from error
        yield image


def _split_slice(entry: str | Path, index: str) -> tuple[Path, str]:
    """Return path and slice of `file@slice`; a file whose name holds an @ is left whole."""
    name, at, text = str(entry).rpartition("@")
    if not at or Path(entry).exists():
        return Path(entry), index
    return Path(name), text


def _slice(text: str, path: Path) -> slice:
    """Return the slice meant by `3`, `-1`, `0:10` or `::5`."""
    try:
        numbers = [int(part) if part.strip() else None for part in text.split(":")]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 3 or numbers == [None] or numbers[2:] == [0]:
        raise InputError(f"{path}@{text}: not a frame selection; write e.g. {path}@0:10")
    single = numbers[0]
    if len(numbers) > 1 or single is None:
        return slice(*numbers)
    return slice(single, None if single == -1 else single + 1)


def _pick(frames: Iterator[Frame], wanted: slice) -> Iterator[Frame]:
    """Return the wanted frames; only counting from the end needs them all in memory."""
    if all(number is None or number >= 0 for number in (wanted.start, wanted.stop, wanted.step)):
        return islice(frames, wanted.start, wanted.stop, wanted.step)
    return iter(list(frames)[wanted])
