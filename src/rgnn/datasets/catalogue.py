"""The packaged sets by name. How each was made is in README.md beside the files."""

from pathlib import Path

from rgnn.core.errors import InputError
from rgnn.core.structure import Frame
from rgnn.datasets import archive

SPLITS = ("train", "test")

_HERE = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Return the names that `load` knows."""
    return tuple(sorted(file.name.removesuffix(".train.npz") for file in _HERE.glob("*.train.npz")))


def load(name: str, split: str = "train") -> list[Frame]:
    """Return the frames of a packaged set; `test` comes from melts that `train` never saw.

    Units: Å, eV, eV/Å, eV/Å³ (ASE sign). `frame.info` holds `melt` and `temperature_K` [K], and
    `step` (molecular-dynamics step) where frames follow each other.

    Raises
    ------
    InputError
        when there is no such set or split.
    """
    return archive.load(_file(name, split), f"{name}/{split}")


def about(name: str) -> str:
    """Return one paragraph on how the set was made."""
    return archive.note(_file(name, "train"))


def _file(name: str, split: str) -> Path:
    if name not in names():
        raise InputError(f"no packaged data named `{name}`; there is {' and '.join(names())}")
    if split not in SPLITS:
        raise InputError(f"{name} has no split `{split}`; there is train and test")
    return _HERE / f"{name}.{split}.npz"
