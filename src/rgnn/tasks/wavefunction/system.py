"""What is computed: nuclei, electrons and their spins, and reference energies of known systems."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from rgnn.core.errors import InputError
from rgnn.core.units import BOHR_IN_ANGSTROM
from rgnn.tasks.wavefunction.electrons import Spins
from rgnn.tasks.wavefunction.reference import hydrogen_molecule

CLOSEST = 0.1
"""Nuclei nearer than this [bohr] are taken for a mistake."""

HEAVIEST = 36
"""Heaviest element: the start has Gaussian bases up to krypton."""


@dataclass(frozen=True, eq=False)
class Molecule:
    """Nuclei (positions in bohr, charges) and electrons of both spins."""

    positions: Float[np.ndarray, "n_atom 3"]
    charges: Float[np.ndarray, " n_atom"]
    spins: Spins
    name: str = "molecule"
    reference: float | None = None
    """Best known energy [Ha] of exactly this geometry."""
    symbols: tuple[str, ...] = field(default=())

    @property
    def nuclear_repulsion(self) -> float:
        """Return Σ_{A<B} Z_A Z_B / R_AB [Ha]."""
        a, b = np.triu_indices(len(self.charges), 1)
        distance = np.linalg.norm(self.positions[a] - self.positions[b], axis=1)
        return float((self.charges[a] * self.charges[b] / distance).sum())


@dataclass(frozen=True)
class Preset:
    """A system by name: elements, the distance [bohr] that scales it, and its energy [Ha] there."""

    symbols: tuple[str, ...]
    shape: tuple[tuple[float, float, float], ...]
    """Positions in units of `length`."""
    length: float
    energy: float | None
    source: str


_DIATOMIC = ((0.0, 0.0, 0.0), (0.0, 0.0, 1.0))
_ATOM = ((0.0, 0.0, 0.0),)

PRESETS = {
    "H": Preset(("H",), _ATOM, 1.0, -0.5, "exact"),
    "He": Preset(("He",), _ATOM, 1.0, -2.903724377, "Hylleraas expansions"),
    "Li": Preset(("Li",), _ATOM, 1.0, -7.478060, "Hylleraas expansions"),
    "Be": Preset(("Be",), _ATOM, 1.0, -14.66736, "correlated Gaussians"),
    "H2": Preset(("H", "H"), _DIATOMIC, 1.4, -1.174476, "Kołos–Wolniewicz"),
    "LiH": Preset(("Li", "H"), _DIATOMIC, 3.015, -8.070548, "estimated exact"),
    "Li2": Preset(("Li", "Li"), _DIATOMIC, 5.051, -14.995447, "estimated exact"),
    "N2": Preset(("N", "N"), _DIATOMIC, 2.068, -109.542347, "estimated exact"),
    "H4": Preset(
        ("H",) * 4, tuple((0.0, 0.0, float(k)) for k in range(4)), 2.0, None, "no reference"
    ),
    "H2O": Preset(
        ("O", "H", "H"),
        ((0.0, 0.0, 0.0), (0.790690, 0.0, 0.612217), (-0.790690, 0.0, 0.612217)),
        1.808846,
        -76.438,
        "estimated exact",
    ),
}


def molecule(
    system: str | Path,
    *,
    charge: int = 0,
    spin: int | None = None,
    bond_length: float | None = None,
) -> Molecule:
    """Return a preset by name, any other atom by its symbol, or the geometry of a file [Å].

    `spin` is n_up − n_down; without it atoms follow Hund's rule and molecules take the lowest.
    `bond_length` [bohr] sets the distance of a preset.
    """
    name = str(system)
    if name in PRESETS:
        return _from_preset(name, charge, spin, bond_length)
    if bond_length is not None:
        raise InputError(f"--bond-length scales presets only ({', '.join(PRESETS)}), not '{name}'")
    if _atomic_number(name) is not None:
        return build([name], np.zeros((1, 3)), charge=charge, spin=spin, name=name)
    return _from_file(Path(system), charge, spin)


def build(
    symbols: list[str] | tuple[str, ...],
    positions: Float[np.ndarray, "n_atom 3"],
    *,
    charge: int = 0,
    spin: int | None = None,
    name: str = "molecule",
) -> Molecule:
    """Return the checked molecule with nuclei at `positions` [bohr]."""
    numbers = [_number(symbol, name) for symbol in symbols]
    _check_distances(positions, symbols, name)
    if max(numbers) > HEAVIEST:
        raise InputError(f"{name}: elements beyond krypton are not supported")
    electrons = sum(numbers) - charge
    if electrons < 1:
        raise InputError(f"{name}: charge {charge} leaves {electrons} electrons; at least 1 needed")
    spin = _default_spin(numbers, electrons) if spin is None else spin
    if abs(spin) > electrons or (electrons - spin) % 2:
        raise InputError(
            f"{name}: {electrons} electrons cannot have spin {spin} (n_up − n_down); "
            f"use {'an even' if electrons % 2 == 0 else 'an odd'} number up to {electrons}"
        )
    up = (electrons + abs(spin)) // 2
    return Molecule(
        np.asarray(positions, float),
        np.asarray(numbers, float),
        Spins(up, electrons - up),
        name,
        # One electron at one nucleus is hydrogen-like.
        -0.5 * numbers[0] ** 2 if electrons == len(numbers) == 1 else None,
        tuple(symbols),
    )


def _from_preset(name: str, charge: int, spin: int | None, bond_length: float | None) -> Molecule:
    preset = PRESETS[name]
    length = preset.length if bond_length is None else bond_length
    if not length > 0:
        raise InputError(f"bond length must be positive, got {length} bohr")
    if bond_length is not None and len(preset.symbols) == 1:
        raise InputError(f"{name} is an atom: it has no bond length")
    positions = np.asarray(preset.shape) * length
    asked = build(preset.symbols, positions, charge=charge, spin=spin, name=name)
    ground = build(preset.symbols, positions, name=name)
    if asked.spins != ground.spins:
        return asked
    return replace(asked, reference=_reference(name, preset, length))


def _reference(name: str, preset: Preset, length: float) -> float | None:
    if name == "H2":
        return hydrogen_molecule(length)
    return preset.energy if abs(length - preset.length) < 1e-9 else None


def _from_file(path: Path, charge: int, spin: int | None) -> Molecule:
    from ase.io import read

    if not path.exists():
        raise InputError(
            f"unknown system '{path}': use a preset ({', '.join(PRESETS)}), an element symbol, or "
            "a geometry file such as molecule.xyz [Å]"
        )
    try:
        atoms = read(path)
    except KeyError as error:  # ASE looks symbols up in a table
        raise InputError(f"{path}: unknown element {error}; use symbols such as Li") from error
    except Exception as error:
        raise InputError(f"{path}: not a geometry that can be read ({error})") from error
    positions = np.asarray(atoms.get_positions()) / BOHR_IN_ANGSTROM  # pyright: ignore
    symbols = list(atoms.get_chemical_symbols())  # pyright: ignore
    return build(symbols, positions, charge=charge, spin=spin, name=path.stem)


def _atomic_number(symbol: str) -> int | None:
    from ase.data import atomic_numbers

    return atomic_numbers.get(symbol) or None


def _number(symbol: str, name: str) -> int:
    number = _atomic_number(symbol)
    if number is None:
        raise InputError(f"{name}: unknown element '{symbol}'; use a chemical symbol such as Li")
    return number


def _default_spin(numbers: list[int], electrons: int) -> int:
    """Return Hund's spin of an atom (by its number of electrons), else the lowest possible."""
    from ase.data import ground_state_magnetic_moments

    if len(numbers) == 1 and electrons < len(ground_state_magnetic_moments):
        return int(ground_state_magnetic_moments[electrons])
    return electrons % 2


def _check_distances(
    positions: Float[np.ndarray, "n_atom 3"], symbols: list[str] | tuple[str, ...], name: str
) -> None:
    if len(symbols) == 0:
        raise InputError(f"{name}: no atoms")
    if not np.isfinite(positions).all():
        raise InputError(f"{name}: a position is NaN or infinite")
    a, b = np.triu_indices(len(symbols), 1)
    distance = np.linalg.norm(positions[a] - positions[b], axis=1)
    if len(a) and distance.min() < CLOSEST:
        k = int(distance.argmin())
        raise InputError(
            f"{name}: nuclei {a[k]} ({symbols[a[k]]}) and {b[k]} ({symbols[b[k]]}) overlap: "
            f"{distance[k]:.3g} bohr apart"
        )
