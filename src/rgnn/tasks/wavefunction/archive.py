"""Wavefunctions and unfinished trainings as files: plain arrays and JSON, never pickles."""

import dataclasses
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from rgnn.core.errors import InputError
from rgnn.crossbar.build import Periphery
from rgnn.device.chip import Chip
from rgnn.device.noise import ReadNoise
from rgnn.device.wires import Wires
from rgnn.readout.natural_gradient import NaturalGradient
from rgnn.tasks.wavefunction.ansatz import Readouts
from rgnn.tasks.wavefunction.config import WavefunctionConfig
from rgnn.tasks.wavefunction.electrons import Spins
from rgnn.tasks.wavefunction.evaluate import Evaluation
from rgnn.tasks.wavefunction.sampler import Walkers
from rgnn.tasks.wavefunction.streams import Size
from rgnn.tasks.wavefunction.system import Molecule
from rgnn.tasks.wavefunction.vmc import State, Training

if TYPE_CHECKING:
    from rgnn.tasks.wavefunction.wavefunction import Wavefunction

FORMAT = "rgnn wavefunction 5"


def save_model(path: Path, psi: "Wavefunction") -> None:
    """Write everything `load_model` needs: the chip, the settings, readouts and walkers."""
    ansatz = psi.problem.ansatz
    header = {
        "format": FORMAT,
        "molecule": _molecule(psi.molecule),
        "config": dataclasses.asdict(psi.config),
        "seed": psi.seed,
        "hartree_fock_Ha": psi.hartree_fock,
        "up": ansatz.up,
        "down": ansatz.down,
        "chip": {
            name: value
            for name, value in dataclasses.asdict(psi.chip).items()
            if name != "conductance"
        },
    }
    readouts = {f"readout_{k}": v for k, v in _fields(psi.readouts).items()}
    _write(
        path,
        header,
        conductance_uS=psi.chip.conductance,
        electrons=psi.electrons,
        trace=np.stack(psi.trace),
        **readouts,
    )


def load_model(path: Path, assemble: Callable) -> "Wavefunction":
    """Return the wavefunction in `path`, put together by `assemble`."""
    from rgnn.tasks.wavefunction.wavefunction import Trace, Wavefunction

    header, arrays = _read(path)
    molecule = _to_molecule(header["molecule"])
    config = _to_config(header["config"])
    chip = _to_chip(header["chip"], arrays["conductance_uS"])
    up, down = (tuple(tuple(d) for d in header[spin]) for spin in ("up", "down"))
    names = [field.name for field in dataclasses.fields(Readouts)]
    return Wavefunction(
        molecule=molecule,
        chip=chip,
        config=config,
        problem=assemble(molecule, chip, config, up, down),
        readouts=Readouts(**{name: jnp.asarray(arrays[f"readout_{name}"]) for name in names}),
        electrons=jnp.asarray(arrays["electrons"]),
        seed=header["seed"],
        trace=Trace(*arrays["trace"]),
        hartree_fock=header.get("hartree_fock_Ha"),
    )


def save_state(path: Path, state: State, trace: tuple, molecule: Molecule) -> None:
    """Write an unfinished training; the file is replaced whole or not at all."""
    walkers = {f"walkers_{k}": v for k, v in state.walkers._asdict().items()}
    plain = {k: v for k, v in state._asdict().items() if k != "walkers"}
    header = {"format": FORMAT, "molecule": _molecule(molecule)}
    partial = path.with_name(f".{path.name}")
    _write(partial, header, trace=np.stack(trace), **plain, **walkers)
    partial.replace(path)


def load_state(path: Path, molecule: Molecule) -> tuple[State, np.ndarray]:
    """Return the unfinished training of `molecule` and its trace so far."""
    header, arrays = _read(path)
    found = _to_molecule(header["molecule"])
    if _molecule(found) != _molecule(molecule):
        raise InputError(
            f"{path}: the checkpoint belongs to {_describe(found)}, not to {_describe(molecule)}; "
            "choose another --out or start again with --overwrite"
        )
    walkers = Walkers(*(jnp.asarray(arrays[f"walkers_{k}"]) for k in Walkers._fields))
    rest = {k: jnp.asarray(arrays[k]) for k in State._fields if k != "walkers"}
    return State(walkers=walkers, **rest), arrays["trace"]


def _write(path: Path, header: dict[str, Any], **arrays: Any) -> None:
    plain = {name: np.asarray(jax.device_get(value)) for name, value in arrays.items()}
    with Path(path).open("wb") as stream:
        np.savez(stream, allow_pickle=False, header=np.array(json.dumps(header)), **plain)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(str(arrays.pop("header")))
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a wavefunction file, or damaged") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InputError(f"{path}: not a wavefunction written by this version of rgnn")
    return header, arrays


def _fields(readouts: Readouts) -> dict[str, Array]:
    return {f.name: getattr(readouts, f.name) for f in dataclasses.fields(readouts)}


def _molecule(molecule: Molecule) -> dict[str, Any]:
    return {
        "name": molecule.name,
        "symbols": list(molecule.symbols),
        "positions_bohr": molecule.positions.tolist(),
        "charges": molecule.charges.tolist(),
        "spins": [molecule.spins.n_up, molecule.spins.n_down],
        "reference_Ha": molecule.reference,
    }


def _to_molecule(data: dict[str, Any]) -> Molecule:
    return Molecule(
        np.asarray(data["positions_bohr"], float).reshape(-1, 3),
        np.asarray(data["charges"], float),
        Spins(*data["spins"]),
        data["name"],
        data["reference_Ha"],
        tuple(data["symbols"]),
    )


def _to_chip(data: dict[str, Any], conductance: np.ndarray) -> Chip:
    wires = None if data["wires"] is None else Wires(**data["wires"])
    return Chip(conductance, **{**data, "noise": ReadNoise(**data["noise"]), "wires": wires})


def _to_config(data: dict[str, Any]) -> WavefunctionConfig:
    training = dict(data["training"])
    training["gradient"] = NaturalGradient(**training["gradient"])
    parts = {
        "size": Size(**data["size"]),
        "periphery": Periphery(**data["periphery"]),
        "training": Training(**training),
        "evaluation": Evaluation(**data["evaluation"]),
    }
    return WavefunctionConfig(**{**data, **parts})


def _describe(molecule: Molecule) -> str:
    spins = molecule.spins
    return (
        f"{molecule.name} ({spins.n_up} + {spins.n_down} electrons, {len(molecule.charges)} nuclei)"
    )
