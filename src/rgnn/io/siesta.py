"""SIESTA Hamiltonians through sisl, and our frames as sisl objects (HSX and TSHS export)."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Float, Int

from rgnn.core.errors import InputError, MissingExtra
from rgnn.core.structure import Structure
from rgnn.io.hamiltonian_frames import HamiltonianFrame, Shells, checked, in_order_of

if TYPE_CHECKING:
    import sisl


def _sisl() -> Any:
    try:
        import sisl
    except ImportError as error:
        raise MissingExtra("sisl", "hamiltonian") from error
    return sisl


def read_siesta(path: Path) -> HamiltonianFrame:
    """Return the checked frame in a file sisl reads a Hamiltonian from (HSX, TSHS, nc, fdf)."""
    if not Path(path).exists():
        raise InputError(f"no such file: {path}")
    sisl = _sisl()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old files lack the Fermi level; we look ourselves
            file = sisl.get_sile(path)
            hamiltonian = file.read_hamiltonian()
            fermi = _fermi(file)
    except Exception as error:
        raise InputError(f"{path}: sisl finds no Hamiltonian in it ({error})") from None
    if fermi is not None:
        hamiltonian.shift(fermi)  # sisl puts the Fermi level at 0: no zero to learn from
    return replace(from_sisl(hamiltonian, source=str(path)), fermi=fermi)


def _fermi(file: Any) -> float | None:
    """Return the Fermi level [eV] in a SIESTA file, None where it holds none."""
    read = getattr(file, "read_fermi_level", None)
    found = None if read is None else read()
    return None if found is None else float(np.mean(found))


def write_sisl(path: Path, frame: HamiltonianFrame) -> None:
    """Write `frame` as .HSX or .TSHS as SIESTA would: its orbital order, Fermi level at 0."""
    hamiltonian = to_sisl(in_order_of(frame, "siesta"))
    if frame.fermi is not None:
        hamiltonian.shift(-frame.fermi)
    hamiltonian.write(str(path))


def from_sisl(
    hamiltonian: "sisl.Hamiltonian", *, order: str = "siesta", source: str = "sisl"
) -> HamiltonianFrame:
    """Return a frame with the blocks of a sisl Hamiltonian, collinear or without spin."""
    geometry, spin = hamiltonian.geometry, hamiltonian.spin
    if not (spin.is_unpolarized or spin.is_polarized):
        raise InputError(f"{source}: {spin} is not supported; only collinear spin can be read")
    dims = [hamiltonian.tocsr(n) for n in range(spin.spinor)]
    overlap = hamiltonian.tocsr(hamiltonian.S_idx) if not hamiltonian.orthogonal else None
    if overlap is None:
        raise InputError(f"{source}: the overlap is missing; a non-orthogonal basis is needed")
    shells = _shells_of(geometry)
    return assemble(
        Structure(
            np.array(geometry.xyz, float),
            np.array(geometry.atoms.Z, int),
            np.array(geometry.cell, float),
            np.array(geometry.nsc) > 1,
        ),
        shells,
        order,
        np.array(geometry.o2a(np.arange(geometry.no)), int),
        [_by_image(matrix, geometry) for matrix in dims],
        _by_image(overlap, geometry),
        source=source,
    )


def _by_image(matrix: Any, geometry: Any) -> dict[tuple[int, ...], Any]:
    n = geometry.no
    parts = {tuple(map(int, geometry.lattice.sc_off[s])): s for s in range(geometry.n_s)}
    return {image: matrix[:, s * n : (s + 1) * n].tocsr() for image, s in parts.items()}


def _shells_of(geometry: Any) -> Shells:
    """Return l of every shell from the (n, l, m) of sisl's orbitals."""
    shells: dict[int, tuple[int, ...]] = {}
    for atom in geometry.atoms.atom:
        listed = [getattr(orbital, "l", None) for orbital in atom.orbitals]
        if any(degree is None for degree in listed):
            raise InputError(
                f"element Z = {atom.Z}: the file does not say which l its orbitals have; read the "
                "one with the basis beside it (e.g. the .fdf or .HSX)"
            )
        shells[int(atom.Z)] = shells_from_l(
            [int(degree) for degree in listed if degree is not None]
        )
    return shells


def shells_from_l(listed: list[int]) -> tuple[int, ...]:
    """Return the shells behind l of every orbital, e.g. [0, 1, 1, 1] → (0, 1)."""
    shells, position = [], 0
    while position < len(listed):
        shells.append(listed[position])
        position += 2 * listed[position] + 1
    return tuple(shells)


def assemble(
    structure: Structure,
    shells: Shells,
    order: str,
    atom_of: Int[np.ndarray, " n_orbital"],
    hamiltonians: list[Mapping[tuple[int, ...], Any]],
    overlap: Mapping[tuple[int, ...], Any],
    *,
    fermi: float | None = None,
    source: str = "frame",
) -> HamiltonianFrame:
    """Return the frame whose blocks are cut out of one matrix per lattice vector R."""
    sizes = np.bincount(atom_of, minlength=len(structure))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    keys = _pairs(starts, atom_of, [*hamiltonians, overlap])
    width = int(sizes.max())

    def blocks(matrices: Mapping[tuple[int, ...], Any]) -> Float[np.ndarray, "n w w"]:
        out = np.zeros((len(keys), width, width))
        dense = {image: _dense(matrix) for image, matrix in matrices.items()}
        for n, (i, j, *image) in enumerate(keys):
            matrix = dense.get(tuple(image))
            if matrix is not None:
                block = matrix[starts[i] : starts[i + 1], starts[j] : starts[j + 1]]
                out[n, : block.shape[0], : block.shape[1]] = block
        return out

    index = np.array(keys)
    return checked(
        HamiltonianFrame(
            structure,
            shells,
            order,
            index[:, 0],
            index[:, 1],
            index[:, 2:],
            np.stack([blocks(h) for h in hamiltonians]),
            blocks(overlap),
            fermi,
            source=source,
        )
    )


def _dense(matrix: Any) -> np.ndarray:
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix, float)


def _pairs(
    starts: np.ndarray, atom_of: np.ndarray, matrices: list[Mapping[tuple[int, ...], Any]]
) -> list[tuple[int, ...]]:
    """Return (i, j, R) of every block with a non-zero element, and of its partner."""
    n_atom = len(starts) - 1
    found: set[tuple[int, ...]] = {(i, i, 0, 0, 0) for i in range(n_atom)}
    for family in matrices:
        for image, matrix in family.items():
            rows, columns = _dense(matrix).nonzero()
            pairs = np.unique(atom_of[rows] * n_atom + atom_of[columns])
            for i, j in zip(*divmod(pairs, n_atom), strict=True):
                found.add((int(i), int(j), *image))
                found.add((int(j), int(i), *(-r for r in image)))
    return sorted(found)


def to_sisl(frame: HamiltonianFrame) -> "sisl.Hamiltonian":
    """Return the frame as `sisl.Hamiltonian`: bands, DOS and HSX/TSHS export come with it."""
    sisl = _sisl()
    geometry = _geometry(frame, sisl)
    inside = frame.inside
    starts = np.concatenate([[0], np.cumsum(frame.sizes)])
    block, row, column = inside.nonzero()
    supercell = np.array([geometry.lattice.sc_index(r) for r in frame.image])
    rows = starts[frame.first[block]] + row
    columns = supercell[block] * geometry.no + starts[frame.second[block]] + column
    shape = (geometry.no, geometry.no * geometry.n_s)

    def matrix(values: np.ndarray) -> sparse.csr_matrix:
        return sparse.csr_matrix((values[inside], (rows, columns)), shape=shape)

    spins = [matrix(h) for h in frame.hamiltonian]
    kind = sisl.Spin("polarized" if frame.n_spin == 2 else "unpolarized")
    return sisl.Hamiltonian.fromsp(geometry, spins, S=matrix(frame.overlap), spin=kind)


def _geometry(frame: HamiltonianFrame, sisl: Any) -> Any:
    reach = np.abs(frame.image).max(axis=0, initial=0)
    cell = frame.structure.cell
    if not cell.any():
        cell = np.diag(np.ptp(frame.structure.positions, axis=0) + 20.0)
    species = {
        z: sisl.Atom(int(z), _orbitals(shells, frame.order, sisl))
        for z, shells in frame.shells.items()
    }
    return sisl.Geometry(
        frame.structure.positions,
        atoms=[species[int(z)] for z in frame.structure.numbers],
        lattice=sisl.Lattice(cell, nsc=2 * reach + 1),
    )


def _orbitals(shells: tuple[int, ...], order: str, sisl: Any) -> list[Any]:
    """Return sisl orbitals named by (n, l, m, ζ); the radial parts are not known here."""
    from rgnn.io.orbitals import ORDERS

    out, seen = [], {}
    for degree in shells:
        seen[degree] = seen.get(degree, 0) + 1
        out += [
            sisl.AtomicOrbital(n=degree + 1, l=degree, m=m, zeta=seen[degree], R=-1)
            for m in ORDERS[order][degree]
        ]
    return out
