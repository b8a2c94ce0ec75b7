"""Extended XYZ, frame by frame: ASE parses each one, we find the frame that was cut short.

Format: number of atoms, a comment line `key=value …` with `Properties=name:type:columns:…`, then
one line per atom. ASE reads a cut file with an obscure error or none at all.
"""

import re
from collections.abc import Iterator
from io import StringIO
from itertools import islice
from pathlib import Path

from ase import Atoms
from ase.io.extxyz import read_xyz
from ase.io.formats import open_with_compression

from rgnn.core.errors import InputError, reason

PROPERTIES = re.compile(r'\bProperties="?((?:\w+:[RISL]:\d+:?)+)')


def iter_xyz(path: Path) -> Iterator[Atoms]:
    """Yield the images of an (extended) XYZ file, one in memory at a time.

    Raises
    ------
    InputError
        naming the frame that is cut short, has a broken header or a row of the wrong length.
    """
    for number, lines in enumerate(_frames_of_lines(_lines(path), path)):
        yield _parse(lines, f"{path}, frame {number}")


def _lines(path: Path) -> Iterator[str]:
    try:
        with open_with_compression(str(path), "rt") as file:
            yield from file
    except Exception as error:  # undecodable text, damaged compression, no permission
        raise InputError(
            f"{path}: not readable as extended XYZ ({reason(error)}); download or write it again"
        ) from error


def _frames_of_lines(lines: Iterator[str], path: Path) -> Iterator[list[str]]:
    """Yield the lines of each frame: header, comment, atoms, and cell vectors in VEC lines."""
    number = 0
    header = _next_filled(lines)
    while header:
        source = f"{path}, frame {number}"
        n_atom = _atom_count(header, source)
        frame = [header, *islice(lines, n_atom + 1)]
        missing = n_atom + 2 - len(frame)
        if missing:
            raise InputError(
                f"{source}: the file ends {missing} lines before the frame's {n_atom} atoms are "
                f"complete; remove the frame, or read `{path}@:{number}`"
            )
        header = _next_filled(lines)
        while header.lstrip().startswith("VEC"):
            frame.append(header)
            header = _next_filled(lines)
        yield frame
        number += 1


def _next_filled(lines: Iterator[str]) -> str:
    """Return the next line that is not blank, empty text at the end of the file."""
    return next((line for line in lines if line.strip()), "")


def _atom_count(header: str, source: str) -> int:
    try:
        n_atom = int(header)
    except ValueError:
        n_atom = -1
    if n_atom < 0:
        raise InputError(
            f"{source}: found {header.strip()[:40]!r} where the number of atoms belongs; "
            "the frame before it is truncated, or this is no XYZ file"
        )
    return n_atom


def _parse(lines: list[str], source: str) -> Atoms:
    """Return the image the lines describe."""
    n_atom = int(lines[0])
    _check_rows(lines[1], lines[2 : 2 + n_atom], source)
    try:
        return next(read_xyz(StringIO("".join(lines)), 0))
    except Exception as error:  # ASE raises anything on a broken comment or number
        raise InputError(
            f"{source}: broken extended XYZ ({reason(error)}); repair or remove the frame"
        ) from error


def _check_rows(comment: str, rows: list[str], source: str) -> None:
    """Return nothing if every row has the columns that the comment announces."""
    declared = PROPERTIES.search(comment)
    columns = sum(map(int, declared.group(1).split(":")[2::3])) if declared else None
    for atom, row in enumerate(rows):
        found = len(row.split())
        if found < 4 if columns is None else found != columns:
            raise InputError(
                f"{source}: the row of atom {atom} has {found} columns, not "
                f"{columns or '4 or more'}; the frame is truncated or its header wrong"
            )
    if _last_number_cut(rows):
        raise InputError(
            f"{source}: the file ends in the middle of its last row; remove the frame "
            "(or end the file with a newline if it is whole)"
        )


def _last_number_cut(rows: list[str]) -> bool:
    """Return whether the file stops inside the last number of rows that are otherwise as long."""
    if len(rows) < 3 or rows[-1].endswith("\n"):
        return False
    lengths = {len(row.rstrip("\n")) for row in rows[:-1]}
    return len(lengths) == 1 and len(rows[-1]) < lengths.pop()
