"""What a command line names, turned into what it means: frames, chips, model files."""

from collections.abc import Sequence
from pathlib import Path

from rgnn import datasets
from rgnn.core.errors import InputError
from rgnn.core.structure import Frame
from rgnn.device import presets
from rgnn.device.chip import Chip
from rgnn.io.structures import read_frames

MACROS = 16
"""Macros of a chip drawn from a preset; a model keeps those it needs."""


def frames(entries: Sequence[str], *, need_labels: bool = True) -> list[Frame]:
    """Return the frames of files, DeePMD folders and packaged sets (`li3po4-xtb/test`)."""
    found: list[Frame] = []
    for entry in entries:
        name, slash, split = entry.partition("/")
        if slash and name in datasets.names() and not Path(entry).exists():
            found += datasets.load(name, split)  # pyright: ignore[reportArgumentType]
        else:
            found += read_frames(entry, need_labels=need_labels)
    return found


def chip(text: str | None) -> Chip | None:
    """Return the chip in a file, or drawn from a preset: `rram-40nm` or, with seed, `rram-40nm:3`.

    None stays None: the model then draws its own.
    """
    if text is None:
        return None
    if Path(text).exists():
        return Chip.load(text)
    name, colon, seed = text.partition(":")
    if name not in presets.names():
        raise InputError(
            f"--chip {text}: neither a file nor a preset; presets: {', '.join(presets.names())}"
        )
    if colon and not seed.isdecimal():
        raise InputError(f"--chip {text}: expected preset:seed with a whole number, e.g. {name}:3")
    return Chip.sample(name, seed=int(seed or 0), macros=MACROS)


def model_file(path: Path) -> Path:
    """Return the model file that `path`, a run directory or a file, stands for."""
    if path.is_file():
        return path
    if not path.exists():
        raise InputError(f"no such model or run directory: {path}")
    found = sorted(path.glob("model.*"))
    if len(found) != 1:
        what = "no model; did its fit finish?" if not found else f"{len(found)} model files"
        raise InputError(f"{path} holds {what}")
    return found[0]
