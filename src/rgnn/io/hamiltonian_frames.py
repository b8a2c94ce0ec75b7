"""One structure with its Hamiltonian and overlap as blocks between atoms; the .npz form of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from rgnn.core.errors import InputError
from rgnn.core.structure import Structure
from rgnn.io import orbitals

Shells = Mapping[int, tuple[int, ...]]
"""Atomic number → l of each shell, e.g. {6: (0, 0, 1, 1, 2)}."""

_TOLERANCE = 1e-4
"""Largest asymmetry [eV] a file may carry: codes write 1e-8, text formats 1e-5."""


@dataclass(frozen=True, eq=False)
class Bands:
    """Band energies [eV] a code computed itself, at fractional k points."""

    k: Float[np.ndarray, "n_k 3"]
    energy: Float[np.ndarray, "n_k n_band"]


@dataclass(frozen=True, eq=False)
class HamiltonianFrame:
    """Blocks ⟨φ_i,0|H|φ_j,R⟩ [eV] and of the overlap, in the order of the code that made them.

    Atoms with fewer orbitals than the largest leave the rest of their rows or columns zero.
    """

    structure: Structure
    shells: Shells
    order: str
    first: Int[np.ndarray, " n_block"]
    second: Int[np.ndarray, " n_block"]
    image: Int[np.ndarray, "n_block 3"]
    hamiltonian: Float[np.ndarray, "n_spin n_block n_orbital n_orbital"]
    overlap: Float[np.ndarray, "n_block n_orbital n_orbital"]
    fermi: float | None = None
    bands: Bands | None = None
    source: str = "frame"

    def __len__(self) -> int:
        return len(self.structure)

    @property
    def n_spin(self) -> int:
        """Return 1, or 2 for a spin-polarised calculation."""
        return len(self.hamiltonian)

    @property
    def vectors(self) -> Float[np.ndarray, "n_block 3"]:
        """Return r_j + R − r_i [Å] of every block."""
        positions, cell = self.structure.positions, self.structure.cell
        return positions[self.second] + self.image @ cell - positions[self.first]

    @property
    def sizes(self) -> Int[np.ndarray, " n_atom"]:
        """Return the number of orbitals of every atom."""
        return np.array([orbitals.size(self.shells[int(z)]) for z in self.structure.numbers])

    @property
    def inside(self) -> Bool[np.ndarray, "n_block n_orbital n_orbital"]:
        """Return which elements of the padded blocks exist."""
        exists = np.arange(self.overlap.shape[1]) < self.sizes[:, None]
        return exists[self.first][:, :, None] & exists[self.second][:, None, :]

    @property
    def onsite(self) -> Bool[np.ndarray, " n_block"]:
        """Return which blocks belong to one atom (with itself, not with an image)."""
        return (self.first == self.second) & ~self.image.any(axis=1)

    @property
    def partners(self) -> Int[np.ndarray, " n_block"]:
        """Return for every block (i, j, R) where (j, i, −R) stands; −1 where it is missing."""
        where = {key: n for n, key in enumerate(_keys(self.first, self.second, self.image))}
        reverse = _keys(self.second, self.first, -self.image)
        return np.array([where.get(key, -1) for key in reverse])


def checked(frame: HamiltonianFrame) -> HamiltonianFrame:
    """Return `frame` if a model can use it; otherwise say what is wrong with it."""
    for shells in frame.shells.values():
        orbitals.check(shells, frame.order, where=frame.source)
    _check_atoms(frame)
    _check_shapes(frame)
    for name, values in (("H", frame.hamiltonian), ("S", frame.overlap)):
        if not np.isfinite(values).all():
            raise InputError(f"{frame.source}: {name} holds NaN or infinity; compute it again")
    _check_hermitian(frame)
    return frame


def _check_atoms(frame: HamiltonianFrame) -> None:
    numbers = frame.structure.numbers
    unknown = sorted({int(z) for z in numbers} - set(frame.shells))
    if unknown:
        raise InputError(f"{frame.source}: no shells are given for element Z = {unknown[0]}")
    if len(numbers) == 0 or numbers.min() < 1 or numbers.max() > 118:
        raise InputError(
            f"{frame.source}: unknown element Z = {numbers.min(initial=0)}; use 1 … 118"
        )
    if not np.isfinite(frame.structure.positions).all():
        raise InputError(f"{frame.source}: positions hold NaN or infinity")


def _check_shapes(frame: HamiltonianFrame) -> None:
    n, size = len(frame.first), int(frame.sizes.max())
    if frame.overlap.shape != (n, size, size) or frame.hamiltonian.shape[1:] != (n, size, size):
        raise InputError(
            f"{frame.source}: blocks H {frame.hamiltonian.shape[1:]} and S {frame.overlap.shape} "
            f"do not fit {n} pairs of atoms with {size} orbitals; check `shells`"
        )
    if n and max(frame.first.max(), frame.second.max()) >= len(frame):
        raise InputError(f"{frame.source}: a block names an atom that is not there")
    if frame.onsite.sum() != len(frame):
        raise InputError(
            f"{frame.source}: {frame.onsite.sum()} on-site blocks for {len(frame)} atoms; every "
            "atom needs exactly one"
        )


def _check_hermitian(frame: HamiltonianFrame) -> None:
    partners = frame.partners
    if (partners < 0).any():
        n = int(np.argmax(partners < 0))
        raise InputError(
            f"{frame.source}: block {n} (atoms {frame.first[n]}, {frame.second[n]}) has no "
            "transposed partner; the file is truncated or lists half of the pairs"
        )
    for name, blocks in (("H", frame.hamiltonian), ("S", frame.overlap[None])):
        error = np.abs(blocks - np.swapaxes(blocks[:, partners], -1, -2))
        if error.size and error.max() > _TOLERANCE:
            n = int(np.unravel_index(error.argmax(), error.shape)[1])
            raise InputError(
                f"{frame.source}: {name} is not Hermitian: block {n} (atoms {frame.first[n]}, "
                f"{frame.second[n]}) differs from its partner by {error.max():.2g}; convert it "
                "again"
            )


def in_standard_order(frame: HamiltonianFrame) -> HamiltonianFrame:
    """Return the same blocks with every shell in the standard order."""
    return _reordered(frame, "standard")


def in_order_of(frame: HamiltonianFrame, order: str) -> HamiltonianFrame:
    """Return the same blocks as the code `order` would list them."""
    return _reordered(frame, order)


def _reordered(frame: HamiltonianFrame, order: str) -> HamiltonianFrame:
    if order == frame.order:
        return frame
    index, sign = _per_atom(frame, frame.order)
    back, back_sign = _inverse(*_per_atom(frame, order))
    index = np.take_along_axis(index, back, axis=1)
    sign = np.take_along_axis(sign, back, axis=1) * back_sign
    rows, columns = index[frame.first][:, :, None], index[frame.second][:, None, :]
    signs = sign[frame.first][:, :, None] * sign[frame.second][:, None, :]
    block = np.arange(len(frame.first))[:, None, None]
    return replace(
        frame,
        order=order,
        hamiltonian=frame.hamiltonian[:, block, rows, columns] * signs,
        overlap=frame.overlap[block, rows, columns] * signs,
    )


def _per_atom(frame: HamiltonianFrame, order: str) -> tuple[np.ndarray, np.ndarray]:
    """Return `to_standard` of every atom, padded with the identity."""
    size = frame.overlap.shape[1]
    index = np.tile(np.arange(size), (len(frame), 1))
    sign = np.ones((len(frame), size))
    for atom, z in enumerate(frame.structure.numbers):
        own_index, own_sign = orbitals.to_standard(frame.shells[int(z)], order)
        index[atom, : len(own_index)], sign[atom, : len(own_sign)] = own_index, own_sign
    return index, sign


def _inverse(index: np.ndarray, sign: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    back = np.argsort(index, axis=1)
    return back, np.take_along_axis(sign, back, axis=1)


def _keys(first: np.ndarray, second: np.ndarray, image: np.ndarray) -> list[tuple[int, ...]]:
    return list(map(tuple, np.column_stack([first, second, image]).tolist()))


def read_npz(path: Path) -> HamiltonianFrame:
    """Return the checked frame in an .npz file (see the format page of the documentation)."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise InputError(f"no such file: {path}") from None
    except Exception as error:
        raise InputError(f"{path}: not a readable .npz of plain arrays ({error})") from None
    missing = [k for k in ("pos", "cell", "Z", "I", "J", "R", "H", "S") if k not in arrays]
    if missing:
        what = (
            "no overlap S; write it too (H alone has no bands)"
            if missing == ["S"]
            else (f"missing {', '.join(missing)}; a frame needs pos cell Z I J R H S shells")
        )
        raise InputError(f"{path}: {what}")
    return checked(_from_arrays(arrays, str(path)))


def _from_arrays(arrays: Mapping[str, np.ndarray], source: str) -> HamiltonianFrame:
    numbers, image = arrays["Z"].astype(int), arrays["R"].astype(int)
    matrix = arrays["H"].astype(float)
    bands = None
    if "band_k" in arrays and "band_e" in arrays:
        bands = Bands(arrays["band_k"].astype(float), arrays["band_e"].astype(float))
    return HamiltonianFrame(
        Structure(
            arrays["pos"].astype(float),
            numbers,
            arrays["cell"].astype(float),
            np.asarray(image.any(axis=0)),
        ),
        _shells(arrays, numbers, source),
        str(arrays.get("order", "openmx")),
        arrays["I"].astype(int),
        arrays["J"].astype(int),
        image,
        matrix[None] if matrix.ndim == 3 else matrix,
        arrays["S"].astype(float),
        float(arrays["efermi"]) if "efermi" in arrays else None,
        bands,
        source,
    )


def _shells(arrays: Mapping[str, np.ndarray], numbers: np.ndarray, source: str) -> Shells:
    """Return the shells of every element: one list `shells` for all, or `shells_Z` for each."""
    found = {}
    for z in sorted({int(n) for n in numbers}):
        listed = arrays.get(f"shells_{z}", arrays.get("shells"))
        if listed is None:
            raise InputError(f"{source}: missing `shells` (or `shells_{z}`): l of each shell")
        found[z] = tuple(map(int, listed))
    return found


def write_npz(path: Path, frame: HamiltonianFrame) -> None:
    """Write `frame` as .npz: plain arrays only."""
    arrays = {
        "pos": frame.structure.positions,
        "cell": frame.structure.cell,
        "Z": frame.structure.numbers,
        "I": frame.first,
        "J": frame.second,
        "R": frame.image,
        "H": frame.hamiltonian[0] if frame.n_spin == 1 else frame.hamiltonian,
        "S": frame.overlap,
        "order": np.array(frame.order),
    }
    arrays |= {f"shells_{z}": np.array(shells) for z, shells in frame.shells.items()}
    if frame.fermi is not None:
        arrays["efermi"] = np.array(frame.fermi)
    if frame.bands is not None:
        arrays |= {"band_k": frame.bands.k, "band_e": frame.bands.energy}
    with Path(path).open("wb") as stream:
        np.savez_compressed(stream, **arrays)
