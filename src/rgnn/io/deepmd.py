"""DeePMD folders, read by dpdata.

A system is a folder with `type.raw`, `type_map.raw` and sets of NumPy arrays `set.*/coord.npy`,
`box.npy`, `energy.npy`, `force.npy`, `virial.npy`. DeePMD's virial is minus volume times ASE's
stress.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers

from rgnn.core.errors import InputError, MissingExtra
from rgnn.core.structure import Frame, Labels, Structure


def iter_deepmd(folder: Path) -> Iterator[Frame]:
    """Yield the frames of a DeePMD system, or of all systems below `folder` by order of path.

    Raises
    ------
    InputError
        when there is no system in the folder, or dpdata cannot read one.
    MissingExtra
        when dpdata is not installed.
    """
    systems = sorted({file.parent for file in folder.rglob("type.raw")})
    if not systems:
        raise InputError(
            f"{folder}: a folder without type.raw is no DeePMD system; name a structure file"
        )
    for system in systems:
        yield from _frames(_load(system), system)


def _load(system: Path) -> dict[str, Any]:
    """Return dpdata's arrays of one system."""
    try:
        import dpdata
    except ImportError as error:
        raise MissingExtra("dpdata", "deepmd") from error
    if not list(system.glob("set.*/coord.npy")):
        raise InputError(f"{system}: no set.*/coord.npy; convert raw text to npy with dpdata first")
    if list(system.glob("set.*/real_atom_types.npy")):
        raise InputError(f"{system}: mixed-type DeePMD systems are not read; split it with dpdata")
    labelled = all(list(system.glob(f"set.*/{name}.npy")) for name in ("energy", "force"))
    kind = dpdata.LabeledSystem if labelled else dpdata.System
    try:
        return kind(str(system), fmt="deepmd/npy").data
    except Exception as error:  # dpdata raises anything on missing or misshapen arrays
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(
            f"{system}: dpdata cannot read it ({reason}); repair its arrays"
        ) from error


def _frames(data: dict[str, Any], system: Path) -> Iterator[Frame]:
    numbers = _numbers(data, system)
    periodic = not data.get("nopbc", False)
    for index, positions in enumerate(data["coords"]):
        cell = np.array(data["cells"][index] if periodic else np.zeros((3, 3)), dtype=float)
        structure = Structure(
            positions=np.array(positions, dtype=float),
            numbers=numbers,
            cell=cell,
            pbc=np.full(3, periodic),
        )
        yield Frame(structure, _labels(data, index, structure.volume), f"{system}, frame {index}")


def _numbers(data: dict[str, Any], system: Path) -> np.ndarray:
    names = data["atom_names"]
    unknown = [name for name in names if name not in atomic_numbers]
    if unknown:
        raise InputError(
            f"{system}: `{unknown[0]}` is no element; list the elements in type_map.raw"
        )
    return np.array([atomic_numbers[name] for name in names], dtype=int)[data["atom_types"]]


def _labels(data: dict[str, Any], index: int, volume: float) -> Labels:
    if "energies" not in data:
        return Labels()
    stress = None
    if "virials" in data and volume > 0:
        stress = -np.array(data["virials"][index], dtype=float).reshape(3, 3) / volume
    return Labels(
        energy=float(data["energies"][index]),
        forces=np.array(data["forces"][index], dtype=float),
        stress=stress,
    )
