"""DeePMD folders, read by dpdata.

A system is a folder with `type.raw`, `type_map.raw` and sets of NumPy arrays `set.*/coord.npy`,
`box.npy`, `energy.npy`, `force.npy`, `virial.npy`. DeePMD's virial is minus volume times ASE's
stress. Systems of mixed type say in `set.*/real_atom_types.npy` which atom is what in each frame.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from jaxtyping import Bool, Int

from rgnn.core.errors import InputError, MissingExtra, reason
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
    labelled = all(list(system.glob(f"set.*/{name}.npy")) for name in ("energy", "force"))
    kind = dpdata.LabeledSystem if labelled else dpdata.System
    try:
        mixed = [np.load(file) for file in sorted(system.glob("set.*/real_atom_types.npy"))]
        data = kind(str(system), fmt="deepmd/npy").data
        return {**data, "mixed_types": np.concatenate(mixed)} if mixed else data
    except Exception as error:  # dpdata raises anything on missing or misshapen arrays
        raise InputError(
            f"{system}: dpdata cannot read it ({reason(error)}); repair its arrays"
        ) from error


def _frames(data: dict[str, Any], system: Path) -> Iterator[Frame]:
    periodic = not data.get("nopbc", False)
    elements = _elements(data["atom_names"], system)
    for index, types in enumerate(_types(data, system)):
        real = types >= 0  # mixed-type systems are padded with atoms of type -1
        cell = data["cells"][index] if periodic else np.zeros((3, 3))
        structure = Structure(
            positions=np.array(data["coords"][index][real], dtype=float),
            numbers=elements[types[real]],
            cell=np.array(cell, dtype=float),
            pbc=np.full(3, periodic),
        )
        labels = _labels(data, index, real, structure.volume)
        yield Frame(structure, labels, f"{system}, frame {index}")


def _elements(names: Sequence[str], system: Path) -> Int[np.ndarray, " n_type"]:
    """Return the atomic number of each type."""
    unknown = [name for name in names if name not in atomic_numbers]
    if unknown:
        raise InputError(
            f"{system}: `{unknown[0]}` is no element; list the elements in type_map.raw"
        )
    return np.array([atomic_numbers[name] for name in names], dtype=int)


def _types(data: dict[str, Any], system: Path) -> Int[np.ndarray, "n_frame n_atom"]:
    """Return the type of each atom in each frame: one list for all, or one per frame (mixed)."""
    n_frame = len(data["coords"])
    types = data.get("mixed_types", np.tile(data["atom_types"], (n_frame, 1)))
    if types.shape != data["coords"].shape[:2] or types.max() >= len(data["atom_names"]):
        raise InputError(f"{system}: atom types do not fit coordinates and type_map.raw")
    return types.astype(int)


def _labels(
    data: dict[str, Any], index: int, real: Bool[np.ndarray, " n_atom"], volume: float
) -> Labels:
    if "energies" not in data:
        return Labels()
    stress = None
    if "virials" in data and volume > 0:
        stress = -np.array(data["virials"][index], dtype=float).reshape(3, 3) / volume
    return Labels(
        energy=float(data["energies"][index]),
        forces=np.array(data["forces"][index][real], dtype=float),
        stress=stress,
    )
