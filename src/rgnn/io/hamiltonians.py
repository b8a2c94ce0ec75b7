"""Whatever file a Hamiltonian is in, as a checked frame; and frames as files."""

from collections.abc import Sequence
from pathlib import Path

from rgnn.core.errors import InputError
from rgnn.io import hamiltonian_frames, openmx, siesta
from rgnn.io.hamiltonian_frames import HamiltonianFrame

_SIESTA = (".hsx", ".tshs", ".nc", ".fdf")


def read(path: Path) -> HamiltonianFrame:
    """Return the frame in an .npz, an OpenMX .scfout (or .scfout.gz) or a SIESTA file."""
    name = path.name.lower()
    if not path.exists():
        raise InputError(f"no such file: {path}")
    if name.endswith(".npz"):
        return hamiltonian_frames.read_npz(path)
    if name.endswith((".scfout", ".scfout.gz")):
        return openmx.read_scfout(path)
    if name.endswith(_SIESTA):
        return siesta.read_siesta(path)
    raise InputError(
        f"{path}: unknown kind of file; use .npz frames, OpenMX .scfout or SIESTA .HSX, .TSHS, .nc"
    )


def read_all(entries: Sequence[str | Path]) -> list[HamiltonianFrame]:
    """Return the frames of files, and of all .npz and .scfout files in folders, sorted."""
    found = []
    for entry in map(Path, entries):
        if entry.is_dir():
            inside = sorted([*entry.glob("*.npz"), *entry.glob("*.scfout*")])
            if not inside:
                raise InputError(f"{entry}: no .npz or .scfout file in this folder")
            found += [read(path) for path in inside]
        else:
            found.append(read(entry))
    return found


def check_kind(path: Path) -> None:
    """Raise InputError where `write` cannot write `path`."""
    if path.suffix.lower() not in (".npz", ".hsx", ".tshs"):
        raise InputError(f"{path}: unknown kind of file to write; use .npz, .HSX or .TSHS")


def write(path: Path, frame: HamiltonianFrame) -> None:
    """Write `frame` in the form its name asks for: .npz, .HSX or .TSHS."""
    check_kind(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".npz":
        hamiltonian_frames.write_npz(path, frame)
    else:
        siesta.write_sisl(path, frame)
