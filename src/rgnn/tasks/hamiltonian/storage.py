"""Hamiltonian models as files: safetensors arrays with JSON metadata, nothing executable."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from rgnn.core.errors import InputError
from rgnn.device import archive
from rgnn.io import model_file
from rgnn.tasks.hamiltonian.config import HamiltonianConfig
from rgnn.tasks.hamiltonian.design import Reach
from rgnn.tasks.hamiltonian.fit import Fitted
from rgnn.tasks.hamiltonian.irreps import Channel
from rgnn.tasks.hamiltonian.model import HamiltonianModel
from rgnn.tasks.hamiltonian.network import Layout, Network
from rgnn.tasks.hamiltonian.overlap import Curves
from rgnn.tasks.hamiltonian.readout import Ridge
from rgnn.tasks.hamiltonian.scaling import AtomScaling, BondScaling, DensityScaling

FORMAT = "rgnn-hamiltonian-3"

Arrays = dict[str, np.ndarray]

_KINDS = ("far", "near", "message")
"""Densities around atoms that carry a scaling."""


def save(model: HamiltonianModel, path: Path) -> None:
    """Write `model` to `path`; an interrupted write leaves the old file."""
    metadata = {"format": FORMAT, "facts": json.dumps(_facts(model))}
    model_file.write(path, _arrays(model.fitted), metadata)


def load(path: str | Path) -> HamiltonianModel:
    """Return the model in `path`."""
    path = Path(path)
    arrays, metadata = model_file.read(path, FORMAT)
    try:
        return _from_parts(arrays, json.loads(metadata["facts"]))
    except (KeyError, ValueError, TypeError, IndexError, ValidationError) as error:
        raise InputError(f"{path}: incomplete or damaged Hamiltonian model ({error})") from error


def _facts(model: HamiltonianModel) -> dict[str, Any]:
    """Return everything that is not an array."""
    found = model.fitted
    ridges = {
        **{_hop(p, c): r for p, t in found.hopping.items() for c, r in t.items()},
        **{_on(z, d): r for z, t in found.onsite.items() for d, r in t.items()},
    }
    return {
        "config": asdict(found.network.config),
        "shells": {str(z): list(listed) for z, listed in found.shells.items()},
        "order": model.order,
        "seed": model.seed,
        "n_spin": found.n_spin,
        "gauge": found.gauge,
        "fermi": found.fermi,
        "reach": {f"{a}.{b}": asdict(r) for (a, b), r in found.reach.items()},
        "curves": {f"{a}.{b}": [c.low, c.cutoff] for (a, b), c in found.curves.items()},
        "bond": {
            f"{c.m}.{c.swap}": spread for c, spread in found.network.bond_scaling.spread.items()
        },
        "ridges": {name: [r.alpha, r.rmse] for name, r in ridges.items()},
    }


def _hop(pair: tuple[int, int], channel: Channel) -> str:
    return f"hopping.{pair[0]}.{pair[1]}.{channel.m}.{channel.swap}"


def _on(element: int, degree: int) -> str:
    return f"onsite.{element}.{degree}"


def _arrays(found: Fitted) -> Arrays:
    atom = found.network.atom_scaling
    out: Arrays = {"chip": archive.to_bytes(found.chip)}
    out["bond.mean"] = found.network.bond_scaling.mean
    for name in _KINDS:
        density: DensityScaling = getattr(atom, name)
        out |= {f"{name}.mean": density.mean, f"{name}.spread": density.spread}
    for (a, b), curves in found.curves.items():
        out[f"curves.{a}.{b}"] = curves.weights
    for z, block in found.overlaps.items():
        out[f"overlap.{z}"] = block
    for pair, table in found.hopping.items():
        out |= {_hop(pair, channel): ridge.weights for channel, ridge in table.items()}
    for z, degrees in found.onsite.items():
        out |= {_on(z, degree): ridge.weights for degree, ridge in degrees.items()}
        out |= {
            f"{_on(z, degree)}.inverse": ridge.inverse
            for degree, ridge in degrees.items()
            if ridge.inverse is not None
        }
    return out


def _from_parts(arrays: Arrays, facts: Mapping[str, Any]) -> HamiltonianModel:
    config = TypeAdapter(HamiltonianConfig).validate_python(facts["config"])
    shells = {int(z): tuple(map(int, listed)) for z, listed in facts["shells"].items()}
    layout = Layout(tuple(sorted(shells)), max(max(listed) for listed in shells.values()))
    chip = archive.from_bytes(arrays["chip"])
    atom = {k: DensityScaling(arrays[f"{k}.mean"], arrays[f"{k}.spread"]) for k in _KINDS}
    bond = {Channel(*_pair(name)): float(spread) for name, spread in facts["bond"].items()}
    network = Network(
        layout,
        config,
        layout.bank(config, chip),
        AtomScaling(**atom),
        BondScaling(arrays["bond.mean"], bond),
    )
    hopping: dict[tuple[int, int], dict[Channel, Ridge]] = {}
    onsite: dict[int, dict[int, Ridge]] = {}
    for key, (alpha, rmse) in facts["ridges"].items():
        kind, *numbers = key.split(".")
        ridge = Ridge(arrays[key], alpha, rmse, arrays.get(f"{key}.inverse"))
        parts = [int(n) for n in numbers]
        if kind == "hopping":
            hopping.setdefault((parts[0], parts[1]), {})[Channel(parts[2], parts[3])] = ridge
        else:
            onsite.setdefault(parts[0], {})[parts[1]] = ridge
    fitted = Fitted(
        network,
        chip,
        shells,
        int(facts["n_spin"]),
        float(facts["gauge"]),
        facts["fermi"],
        {_pair(p): Reach(**r) for p, r in facts["reach"].items()},
        {
            _pair(p): Curves(ends[0], ends[1], arrays[f"curves.{p}"])
            for p, ends in facts["curves"].items()
        },
        {z: arrays[f"overlap.{z}"] for z in shells},
        hopping,
        onsite,
    )
    return HamiltonianModel(fitted, facts["order"], int(facts["seed"]))


def _pair(text: str) -> tuple[int, int]:
    a, b = text.split(".")
    return int(a), int(b)
