"""Deviations from products, currents, curves and networks that others' code computed.

Every row says what was found and, as `at most`, what was demanded. The saved numbers (folders
`parity` and `data` of the shared material) are not part of the repository. Double precision.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from rgnn.crossbar import effective_matrix, mapping
from rgnn.crossbar.array import Crossbar
from rgnn.crossbar.tiled import Tiled
from rgnn.device import aging
from rgnn.original.force import ForceNetwork, Neighbourhood
from rgnn.original.hamiltonian import Bonds, HamiltonianNetwork
from rgnn.original.quantiser import Original, Unquantised

Arrays = dict[str, np.ndarray]
Rows = dict[str, dict[str, float]]

SAVED = 20_000
"""Samples behind every point of the saved noise curves."""

SAMPLES = 100_000
"""Samples of ours for every point."""


def deviations(shared: Path) -> Rows:
    """Return the worst deviation of every case."""
    with jax.enable_x64(True):
        simulators = shared / "parity" / "crossbar"
        return {
            **_wires(simulators),
            **_crosssim(simulators),
            **_aihwkit(simulators),
            **dict(_noise_curves(simulators)),
            **_forces(shared),
            **_hamiltonian(shared),
        }


def _arrays(path: Path) -> Arrays:
    return dict(np.load(path, allow_pickle=False).items())


def _absolute(ours, theirs, demanded: float) -> dict[str, float]:
    worst = np.abs(np.asarray(ours) - theirs).max()
    return {"largest deviation": float(worst), "at most": demanded}


def _wires(folder: Path) -> Rows:
    rows: Rows = {}
    for path in sorted(folder.glob("badcrossbar_*.npz")):
        z = _arrays(path)
        ours = effective_matrix(z["G"], float(z["r_wl"]), float(z["r_bl"])) @ z["V"]
        worst = np.abs(ours.T / z["I_out"] - 1).max()
        rows[path.stem] = {"largest relative deviation": float(worst), "at most": 1e-10}
    return rows


def _crosssim(folder: Path) -> Rows:
    rows: Rows = {}
    for case, signed, at in (
        ("A_signed8_adc8_end", True, "end"),
        ("B_unsigned8_adc8_perbit", False, "plane"),
    ):
        z = _arrays(folder / f"crosssim_{case}.npz")
        read = _crosssim_array(z, _pairs(z), signed_inputs=signed, adc_at=at)
        ours = read(jnp.asarray(z["X"].T, float)).T
        rows[f"crosssim_{case}"] = _absolute(ours, z["Y"], 1e-5)
    case = "crosssim_C_unsigned8_cell4bit_onoff10_adc8_perbit"
    return rows | {case: _crosssim_ties(_arrays(folder / f"{case}.npz"))}


def _crosssim_ties(z: Arrays) -> dict[str, float]:
    """Sums of exactly 0 lie between two codes: theirs must lie between rounding down and up."""
    cells = mapping.Range(float(z["Gmin_norm"]), 1.0, 16).programmed(_pairs(z).astype(float))
    array = partial(_crosssim_array, z, cells, signed_inputs=False, adc_at="plane")
    x, one = jnp.asarray(z["X"].T, float), jnp.ones(len(z["Y"]))
    down, up = (np.asarray(array(adc_offset=tie * one)(x)).T for tie in (-1e-9, 1e-9))
    outside = np.maximum(down - z["Y"], z["Y"] - up).max()
    return {"largest distance outside the ties": float(max(outside, 0)), "at most": 1e-5}


def _pairs(z: Arrays) -> np.ndarray:
    cells = np.stack([z["Gpos_norm"], z["Gneg_norm"]], axis=1)
    return cells.reshape(-1, cells.shape[-1])


def _crosssim_array(z: Arrays, cells: np.ndarray, **how) -> Crossbar:
    gain = float(z["Wmax"]) / (1 - float(z["Gmin_norm"]))
    return Crossbar(
        cells=jnp.asarray(cells, float),
        cell_std=None,
        gain=jnp.asarray(gain),
        limit=jnp.asarray(1.0),
        adc_limit=jnp.asarray(float(z["adc_range"][1]) * gain),
        adc_bits=8,
        adc_style="rise",
        **how,
    )


def _aihwkit(folder: Path) -> Rows:
    z = _arrays(folder / "aihwkit_A_adc8_dac8_torchtile.npz")
    whole = _aihwkit_tile(z["W"])(jnp.asarray(z["X"], float))
    d = _arrays(folder / "aihwkit_D_tile128.npz")
    rows = (
        Tiled(tuple(_aihwkit_tile(part) for part in np.split(half, 2, 1)), (0, 128, 256))
        for half in np.split(d["W"], 2)
    )
    tiled = jnp.concatenate([row.tangent(jnp.asarray(d["X"], float)) for row in rows], -1)
    return {
        "aihwkit_A_adc8_dac8_torchtile": _absolute(whole, z["Y"], 1e-5),
        "aihwkit_D_tile128": _absolute(tiled, d["Y"], 1e-5),
    }


def _aihwkit_tile(weights: np.ndarray) -> Crossbar:
    """Inputs in 127 steps either way, outputs up to ±12 in 8 bits."""
    block = mapping.on_pairs(weights.astype(float), mapping.Range(0.0, float(abs(weights).max())))
    return Crossbar(
        cells=jnp.asarray(block.cells),
        cell_std=None,
        gain=jnp.asarray(block.gain),
        limit=jnp.asarray(1.0),
        adc_limit=jnp.asarray(12.0),
        adc_bits=8,
    )


def _noise_curves(folder: Path) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield how far mean and spread of programmed and aged cells lie from saved curves."""
    pcm, wan = (_arrays(folder / f"aihwkit_noise_{name}.npz") for name in ("pcm", "reram_wan2022"))
    for name, z in (("pcm", pcm), ("wan-2022", wan)):
        cells = _programmed(name, z)
        yield f"{name}, programmed", _curve(cells, z["prog_mean"], z["prog_std"])
    for time in ("0", "3600", "86400", "3.15e+07"):
        rng = np.random.default_rng(1)
        cells = aging.technology("pcm").aged(_programmed("pcm", pcm), float(time), rng)
        yield f"pcm, {time} s", _curve(cells, pcm[f"mean_t{time}"], pcm[f"std_t{time}"])
    for time in ("1", "86400", "172800"):
        target = _targets(wan)
        spread = aging.WAN_2022.std(target, float(time))
        random = np.random.default_rng(2).normal(size=target.shape)
        cells = np.maximum(target + spread * random, 0)
        yield f"wan-2022, {time} s", _curve(cells, wan[f"mean_t{time}"], wan[f"std_t{time}"])


def _targets(z: Arrays) -> np.ndarray:
    return np.repeat(z["g"].astype(float)[:, None], SAMPLES, axis=1)


def _programmed(name: str, z: Arrays) -> np.ndarray:
    return aging.technology(name).program(_targets(z), np.random.default_rng(0))


def _curve(cells: np.ndarray, mean: np.ndarray, std: np.ndarray) -> dict[str, float]:
    """Return deviations, also in standard errors of both samples."""
    error = np.sqrt(1 / SAVED + 1 / SAMPLES)
    found, spread = cells.mean(1), cells.std(1)
    kurtosis = (((cells - found[:, None]) / spread[:, None]) ** 4).mean(1)
    off = np.stack([found / mean, spread / std]) - 1
    expected = np.stack([std / mean, np.sqrt(kurtosis - 1) / 2]) * error
    worst, average = 100 * np.abs(off).max(1), 100 * np.abs(off.mean(1))
    return {
        "mean, worst %": float(worst[0]),
        "mean, on average %": float(average[0]),
        "spread, worst %": float(worst[1]),
        "spread, on average %": float(average[1]),
        "standard errors": float((np.abs(off) / expected).max()),
        "at most": 4.0,
    }


def _forces(shared: Path) -> Rows:
    folder = shared / "parity" / "original"
    z = _arrays(folder / "atomic_force_tiny8.npz")
    shapes = (z[key].astype(float) for key in ("neighbor_mask", "distances", "unit_vecs"))
    graph = Neighbourhood(z["atomic_numbers"], z["neighbors"], *shapes)
    exact = ForceNetwork(*_weights(shared, "atomic_force"), Unquantised())
    theirs = Original()
    network = ForceNetwork(*_weights(shared, "atomic_force"), theirs)
    plain = _arrays(folder / "atomic_force_tiny8_noquant.npz")["forces_f64"]
    layers = network.features(graph)
    return {
        "original forces, not quantised": _absolute(exact(graph), plain, 1e-6),
        "original forces, layers": _layers(layers, z, "node{}_f64", "edge{}_f64"),
        "original forces, codes": _codes(theirs, z),
        "original forces, quantised": _absolute(network(graph), z["forces_f64"], 1e-6),
    }


def _hamiltonian(shared: Path) -> Rows:
    z = _arrays(shared / "parity" / "original" / "hamiltonian_graphene2x2_r3.0.npz")
    triples = (z[key] for key in ("sub_atom_idx", "sub_edge_idx", "sub_edge_ang", "sub_index"))
    types = np.zeros(len(z["positions"]), dtype=int)
    bonds = Bonds(types, z["edge_index"], z["edge_attr"][:, 0], *triples)
    theirs = Original()
    network = HamiltonianNetwork(*_weights(shared, "hamiltonian"), theirs)
    layers = network.features(bonds)
    return {
        "original Hamiltonian, layers": _layers(layers, z, "mp{}_atom_f64", "mp{}_edge_f64"),
        "original Hamiltonian, codes": _codes(theirs, z),
        "original Hamiltonian, quantised": _absolute(network(bonds), z["H_f64"], 1e-6),
    }


def _weights(shared: Path, task: str) -> list[Arrays]:
    trained = _arrays(shared / "parity" / "original" / f"{task}_weights.npz")
    frozen = _arrays(shared / "data" / "rgnn_conductance" / f"{task}.npz")
    return [{name: w.astype(float) for name, w in part.items()} for part in (trained, frozen)]


def _layers(layers: list, z: Arrays, *names: str) -> dict[str, float]:
    """Return the worst deviation of node and edge features after any layer."""
    worst = max(
        np.abs(found - z[name.format(index)]).max()
        for index, layer in enumerate(layers)
        for name, found in zip(names, layer, strict=True)
    )
    return {"largest deviation": float(worst), "at most": 1e-6}


def _codes(quantiser: Original, z: Arrays) -> dict[str, float]:
    """Return the worst share of other codes in a product, and by how much they differ."""
    off = [
        np.abs(codes.astype(int) - z[f"qcode{product}_f64"])
        for product, codes in enumerate(quantiser.codes.values())
    ]
    return {
        "largest difference of codes": float(max(d.max() for d in off)),
        "% of codes that differ": float(100 * max((d > 0).mean() for d in off)),
        "at most": 0.5,
    }
