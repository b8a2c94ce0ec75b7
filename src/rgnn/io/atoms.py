"""ASE's `Atoms` to and from our frames, and the names under which labels hide in them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import voigt_6_to_full_3x3_stress
from jaxtyping import Float

from rgnn.core.errors import InputError
from rgnn.core.structure import Frame, Labels, Structure
from rgnn.io.validate import check_frame

ENERGY_NAMES = (
    "energy",
    "ref_energy",
    "dft_energy",
    "energy_ref",
    "energy_dft",
    "total_energy",
    "totenergy",
    "free_energy",
)
"""Where an energy [eV] is looked for, in this order; capitals and hyphens do not matter."""

FORCES_NAMES = (
    "forces",
    "force",
    "ref_forces",
    "dft_forces",
    "forces_ref",
    "forces_dft",
    "ref_force",
    "dft_force",
)
"""Where forces [eV/Å] are looked for."""

STRESS_NAMES = ("stress", "ref_stress", "dft_stress", "stress_ref", "stress_dft")
"""Where a stress [eV/Å³, ASE sign] is looked for."""

VIRIAL_NAMES = ("virial", "virials", "ref_virial", "dft_virial", "virial_ref", "virial_dft")
"""Where, without a stress, a virial [eV] is looked for: stress = -virial / volume."""

_LABEL_NAMES = frozenset(ENERGY_NAMES + FORCES_NAMES + STRESS_NAMES + VIRIAL_NAMES)


def structure_of(atoms: Atoms) -> Structure:
    """Return the positions, numbers, cell and periodicity of `atoms`, nothing checked.

    A direction that is not periodic and has no cell vector is given a unit vector when another
    direction is periodic, so that a slab or wire has a cell of full rank.
    """
    missing = ~atoms.cell.array.any(axis=1)
    lower_dimensional = atoms.pbc.any() and not (missing & atoms.pbc).any()
    cell = atoms.cell.complete() if lower_dimensional else atoms.cell
    return Structure(
        positions=np.array(atoms.positions, dtype=float),
        numbers=np.array(atoms.numbers, dtype=int),
        cell=np.array(cell, dtype=float),
        pbc=np.array(atoms.pbc, dtype=bool),
    )


def from_ase(atoms: Atoms, source: str = "") -> Frame:
    """Return `atoms` and whatever labels they carry as a frame.

    Labels come from the attached calculator's results (nothing is ever computed, and results that
    belong to other positions do not count), else from `atoms.info` and `atoms.arrays` under the
    names listed at the top of this module, `energy` and `forces` first. Missing labels are `None`;
    a lone atom without forces gets its exact force, zero. Values are not checked here, shapes are.

    Raises
    ------
    InputError
        when a label is there but is not numbers of the right shape.
    """
    info = _all_info(atoms)
    stored = _stored_values(atoms, info)
    energy = _label(stored, ENERGY_NAMES, "energy", [(), (1,)], source)
    forces = _label(stored, FORCES_NAMES, "forces", [(len(atoms), 3)], source)
    if forces is None and len(atoms) == 1:
        forces = np.zeros((1, 3))
    return Frame(
        structure=structure_of(atoms),
        labels=Labels(
            energy=None if energy is None else energy.item(),
            forces=forces,
            stress=_stress(atoms, stored, source),
        ),
        source=source,
        info=_plain_info(info),
    )


def to_ase(frame: Frame) -> Atoms:
    """Return the frame as ASE atoms whose calculator holds its labels."""
    structure, labels = frame.structure, frame.labels
    atoms = Atoms(
        numbers=structure.numbers,
        positions=structure.positions,
        cell=structure.cell,
        pbc=structure.pbc,
        info=dict(frame.info),
    )
    results: dict[str, Any] = {"energy": labels.energy, "forces": labels.forces}
    if labels.stress is not None:
        # ASE keeps six numbers: xx, yy, zz, yz, xz, xy.
        results["stress"] = labels.stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    known = {name: value for name, value in results.items() if value is not None}
    if known:
        atoms.calc = SinglePointCalculator(atoms, **known)
    return atoms


def as_frames(data: Atoms | Frame | Iterable[object], *, need_labels: bool = True) -> list[Frame]:
    """Return checked frames from what a Python user holds: atoms, frames, or a mixture of both.

    Raises
    ------
    InputError
        naming the entry (`frame 3`, or its own source) when there is nothing in it, when
        something else is found, or when a frame cannot be used (see `rgnn.io.validate`).
    """
    entries = [data] if isinstance(data, Atoms | Frame) else list(data)
    frames = [_as_frame(entry, index) for index, entry in enumerate(entries)]
    if not frames:
        raise InputError("no frames given: the list is empty; pass at least one structure")
    for frame in frames:
        check_frame(frame, need_labels=need_labels)
    return frames


def _as_frame(entry: object, index: int) -> Frame:
    if isinstance(entry, Frame):
        return entry
    if isinstance(entry, Atoms):
        return from_ase(entry, source=f"frame {index}")
    raise InputError(
        f"frame {index} is a {type(entry).__name__}, not ase.Atoms; "
        "read files with rgnn.io.structures.read_frames first"
    )


def _all_info(atoms: Atoms) -> dict[Any, Any]:
    """Return `atoms.info` with what an ASE database packs into two entries of it."""
    info = dict(atoms.info)
    return {**info.pop("data", {}), **info.pop("key_value_pairs", {}), **info}


def _stored_values(atoms: Atoms, info: Mapping[Any, Any]) -> dict[str, Any]:
    """Return every value kept with the atoms by lower-case name; calculator results come last."""
    values = {**atoms.arrays, **info}
    if atoms.calc is not None:
        for name in set(getattr(atoms.calc, "results", {})).intersection(all_properties):
            result = atoms.calc.get_property(name, atoms, allow_calculation=False)
            values.update({} if result is None else {name: result})
    return {_canonical(name): value for name, value in values.items()}


def _label(
    stored: dict[str, Any],
    names: Sequence[str],
    what: str,
    shapes: Sequence[tuple[int, ...]],
    source: str,
) -> np.ndarray | None:
    """Return the first of `names` that is stored, as numbers of one of the allowed shapes."""
    name = next((name for name in names if stored.get(name) is not None), None)
    if name is None:
        return None
    value = np.asarray(stored[name])
    if value.dtype.kind not in "iuf":
        raise InputError(f"{_at(source)}{what} (`{name}`) is not made of numbers; repair the frame")
    if value.shape not in shapes:
        expected = " or ".join(map(str, shapes))
        raise InputError(
            f"{_at(source)}{what} (`{name}`) has shape {value.shape}, not {expected}; "
            "repair the frame"
        )
    return value.astype(float)


def _stress(atoms: Atoms, stored: dict[str, Any], source: str) -> Float[np.ndarray, "3 3"] | None:
    """Return the symmetric 3 x 3 stress, from a virial if need be; `None` without a cell volume."""
    if atoms.cell.rank < 3:
        return None
    shapes = [(6,), (3, 3), (9,)]
    stress = _label(stored, STRESS_NAMES, "stress", shapes, source)
    if stress is None:
        virial = _label(stored, VIRIAL_NAMES, "virial", shapes, source)
        stress = None if virial is None else -virial / atoms.cell.volume
    if stress is None:
        return None
    if stress.shape == (6,):
        return voigt_6_to_full_3x3_stress(stress)
    return stress.reshape(3, 3)


def _plain_info(info: Mapping[Any, Any]) -> dict[str, str | int | float | bool]:
    """Return the entries that are one plain word or number, without the labels."""
    plain = {
        str(key): value.item() if isinstance(value, np.generic) else value
        for key, value in info.items()
        if _canonical(key) not in _LABEL_NAMES
    }
    return {
        key: value for key, value in plain.items() if isinstance(value, str | int | float | bool)
    }


def _canonical(name: object) -> str:
    return str(name).lower().replace("-", "_")


def _at(source: str) -> str:
    return f"{source}: " if source else ""
