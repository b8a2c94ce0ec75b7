"""Hamiltonians from one file to another: predicted, converted, computed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rgnn.core.errors import InputError
from rgnn.io import hamiltonians, pyscf_molecules
from rgnn.run.hamiltonian import Progress, load
from rgnn.run.hamiltonian_bands import read_structure


def predict(model: Path, structure: str, out: Path, *, reads: int = 1) -> dict[str, Any]:
    """Write H and S of a structure to `out` (.npz, .HSX, .TSHS); return how large they are."""
    hamiltonians.check_kind(out)
    found = load(model)
    place = read_structure(structure)
    frame = found.predict_frame(place, reads=reads)
    hamiltonians.write(out, frame)
    deviation = found.uncertainty(place)
    return {
        "n_atoms": len(frame),
        "n_orbitals": int(frame.sizes.sum()),
        "n_blocks": len(frame.first),
        "onsite_std_max_eV": float(deviation.max()),
        "atom": int(deviation.argmax()),
    }


def convert(source: Path, out: Path) -> dict[str, Any]:
    """Write the frame in `source`, whatever its kind, to `out` (.npz, .HSX, .TSHS)."""
    hamiltonians.check_kind(out)
    frame = hamiltonians.read(source)
    hamiltonians.write(out, frame)
    return {
        "n_atoms": len(frame),
        "n_orbitals": int(frame.sizes.sum()),
        "n_blocks": len(frame.first),
        "n_spin": frame.n_spin,
        "fermi_eV": frame.fermi,
    }


def compute(
    structures: str,
    out: Path,
    *,
    functional: str,
    basis: str,
    charge: int,
    unpaired: int = 0,
    progress: Progress | None = None,
) -> list[Path]:
    """Compute H and S of every molecule in a file with PySCF; return the .npz frames written.

    Frames that are there already are kept, so that an interrupted run continues.
    """
    from rgnn.io.structures import read_frames

    molecules: Sequence = read_frames(structures, need_labels=False)
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for n, molecule in enumerate(molecules):
        if progress:
            progress("molecules", n, len(molecules))
        if molecule.structure.pbc.any():
            raise InputError(f"{structures}: frame {n} is periodic; PySCF computes molecules here")
        path = out / f"{Path(structures).stem}_{n:04d}.npz"
        if not path.exists():
            frame = pyscf_molecules.compute(
                molecule.structure,
                functional=functional,
                basis=basis,
                charge=charge,
                unpaired=unpaired,
                source=f"{structures}: frame {n}",
            )
            hamiltonians.write(path, frame)
        written.append(path)
    if progress:
        progress("molecules", len(molecules), len(molecules))
    return written
