"""OpenMX .scfout files: Hamiltonian, overlap, structure and Fermi level.

Binary layout of format 3 (OpenMX 3.8 and 3.9), little endian: a header of six int32, then cells,
orbital counts and neighbour lists – every one-based array carries an unused first entry –, then
one array of all blocks each for H (per spin), S and the position and momentum operators and the
density matrices; at the end the Fermi level and the input file itself, line by line.
"""

import gzip
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from rgnn.core.errors import InputError
from rgnn.core.structure import Structure
from rgnn.io.hamiltonian_frames import HamiltonianFrame, Shells, checked

BOHR = 0.529177249
HARTREE = 27.2113845
"""OpenMX's own constants [Å, eV]: with others the blocks would differ in the 8th digit."""

_LETTERS = "spdf"
_LINE = 256


class _Cursor:
    """Reads arrays off a byte string, one after the other."""

    def __init__(self, data: bytes, source: str):
        self.data, self.position, self.source = data, 0, source

    def take(self, kind: str, count: int) -> np.ndarray:
        """Return the next `count` numbers of `kind`."""
        size = np.dtype(kind).itemsize * count
        if count < 0 or self.position + size > len(self.data):
            raise InputError(f"{self.source}: the file ends too early; it is truncated")
        array = np.frombuffer(self.data, kind, count, self.position)
        self.position += size
        return array

    def integers(self, count: int) -> Int[np.ndarray, " n"]:
        return self.take("<i4", count).astype(int)

    def numbers(self, count: int) -> Float[np.ndarray, " n"]:
        return self.take("<f8", count)


@dataclass(frozen=True, eq=False)
class _Header:
    n_atom: int
    spin: int
    n_cell: int
    order: int


def read_scfout(path: Path) -> HamiltonianFrame:
    """Return the checked frame in an OpenMX `.scfout` file, plain or gzipped.

    Blocks equal the file's numbers times one hartree, bit for bit. Collinear calculations of
    OpenMX 3.8 and 3.9 are read; others are refused.
    """
    source = str(path)
    cursor = _Cursor(_bytes(Path(path)), source)
    header = _header(cursor)
    cursor.numbers(4 * header.n_cell)
    image_of = cursor.integers(4 * header.n_cell).reshape(-1, 4)[:, 1:]
    n_orbital = cursor.integers(header.n_atom)
    first, second, image = _neighbours(cursor, header, image_of)
    cell = cursor.numbers(12).reshape(3, 4)[:, 1:] * BOHR
    cursor.numbers(12)
    positions = cursor.numbers(4 * header.n_atom).reshape(-1, 4)[:, 1:] * BOHR
    sizes = n_orbital[first] * n_orbital[second]
    matrices = [cursor.numbers(int(sizes.sum())) for _ in range(header.spin + 2)]
    for _ in range(3 * header.order + 3 + header.spin + 3):
        cursor.numbers(int(sizes.sum()))
    fermi, text = _tail(cursor)
    numbers, shells = _species(text, header.n_atom, n_orbital, source)
    width = int(n_orbital.max())
    blocks = [_blocks(m, n_orbital[first], n_orbital[second], width) for m in matrices]
    return checked(
        HamiltonianFrame(
            Structure(positions, numbers, cell, np.asarray(image.any(axis=0))),
            shells,
            "openmx",
            first,
            second,
            image,
            np.stack(blocks[:-1]) * HARTREE,
            blocks[-1],
            fermi * HARTREE,
            source=source,
        )
    )


def _bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except FileNotFoundError:
        raise InputError(f"no such file: {path}") from None
    except (OSError, EOFError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None


def _header(cursor: _Cursor) -> _Header:
    n_atom, version, _, _, _, n_cell = cursor.integers(6).tolist()
    spin, form = version % 4, version // 4
    if form != 3 or n_atom < 1 or n_cell < 0:
        raise InputError(
            f"{cursor.source}: .scfout format {form} is not known; format 3 is (OpenMX 3.8, 3.9)"
        )
    if spin not in (0, 1):
        raise InputError(f"{cursor.source}: non-collinear spin; only collinear H can be read")
    return _Header(n_atom, spin, n_cell + 1, int(cursor.integers(1)[0]))


def _neighbours(
    cursor: _Cursor, header: _Header, image_of: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return i, j and R of every block; neighbour 0 is the atom itself."""
    counts = cursor.integers(header.n_atom) + 1
    second = np.concatenate([cursor.integers(int(n)) for n in counts]) - 1
    cells = np.concatenate([cursor.integers(int(n)) for n in counts])
    if cells.min() < 0 or cells.max() >= len(image_of) or second.max() >= header.n_atom:
        raise InputError(f"{cursor.source}: neighbour lists make no sense; the file is damaged")
    return np.repeat(np.arange(header.n_atom), counts), second, image_of[cells]


def _blocks(
    values: np.ndarray, rows: np.ndarray, columns: np.ndarray, width: int
) -> Float[np.ndarray, "n_block width width"]:
    """Return consecutive blocks of rows × columns, padded with zeros."""
    if (rows == width).all() and (columns == width).all():
        return values.reshape(-1, width, width)
    out = np.zeros((len(rows), width, width))
    ends = np.cumsum(rows * columns)
    for n, (end, r, c) in enumerate(zip(ends, rows, columns, strict=True)):
        out[n, :r, :c] = values[end - r * c : end].reshape(r, c)
    return out


def _tail(cursor: _Cursor) -> tuple[float, str]:
    """Return the Fermi level [Ha] and the text of the input file."""
    cursor.integers(1)
    fermi = float(cursor.numbers(10)[0])
    lines = int(cursor.integers(1)[0])
    raw = cursor.take("u1", _LINE * lines).tobytes()
    parts = [raw[n * _LINE : (n + 1) * _LINE].split(b"\0", 1)[0] for n in range(lines)]
    return fermi, b"".join(parts).decode("latin-1")


def _species(
    text: str, n_atom: int, n_orbital: np.ndarray, source: str
) -> tuple[Int[np.ndarray, " n_atom"], Shells]:
    """Return atomic numbers and shells, from the input file inside the .scfout."""
    from ase.data import atomic_numbers

    basis = {}
    for line in _section(text, "Definition.of.Atomic.Species", source):
        name, pao = line.split()[:2]
        basis[name] = (_element(name, pao, atomic_numbers, source), _pao_shells(pao, source))
    rows = _section(text, "Atoms.SpeciesAndCoordinates", source)
    names = [line.split()[1] for line in rows]
    if len(names) != n_atom or any(name not in basis for name in names):
        raise InputError(f"{source}: the input inside the file does not name its {n_atom} atoms")
    numbers = np.array([basis[name][0] for name in names])
    shells = {z: degree for z, degree in basis.values()}
    if [sum(2 * degree + 1 for degree in shells[z]) for z in numbers] != n_orbital.tolist():
        raise InputError(f"{source}: shells {shells} do not add up to the orbitals in the file")
    return numbers, shells


def _section(text: str, name: str, source: str) -> list[str]:
    found = re.search(rf"^\s*<{re.escape(name)}\s*\n(.*?)^\s*{re.escape(name)}>", text, re.M | re.S)
    if found is None:
        raise InputError(f"{source}: the input inside the file lacks <{name}>")
    return [line for line in found[1].splitlines() if line.strip()]


def _element(name: str, pao: str, known: dict[str, int], source: str) -> int:
    """Return the atomic number of a species called e.g. C, C1 or with the basis C6.0-s2p2d1."""
    for word in (pao, name):
        symbol = re.match(r"[A-Z][a-z]?", word)
        if symbol and symbol[0] in known:
            return known[symbol[0]]
    raise InputError(f"{source}: species '{name}' with basis '{pao}' is of no known element")


def _pao_shells(pao: str, source: str) -> tuple[int, ...]:
    """Return l of each shell of a basis such as C6.0-s2p2d1 → (0, 0, 1, 1, 2)."""
    groups = re.findall(r"([a-z])(\d+)", pao.rpartition("-")[2])
    unknown = [letter for letter, _ in groups if letter not in _LETTERS]
    if not groups or unknown:
        raise InputError(f"{source}: basis '{pao}' has shells other than s, p, d and f")
    return tuple(_LETTERS.index(letter) for letter, count in groups for _ in range(int(count)))
