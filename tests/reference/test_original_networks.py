"""The authors' networks against outputs of their own code, layer by layer."""

from pathlib import Path

import numpy as np
import pytest

from rgnn.original.force import ForceNetwork, Neighbourhood
from rgnn.original.hamiltonian import Bonds, HamiltonianNetwork
from rgnn.original.quantiser import Fixed, Original, Unquantised

SHARED = Path(__file__).parents[2] / "../shared"


def arrays(path):
    if not (SHARED / path).exists():
        pytest.skip("outputs and weights of the original code are not part of the repository")
    return {key: value for key, value in np.load(SHARED / path).items()}


def weights(task):
    trained = arrays(f"parity/original/{task}_weights.npz")
    frozen = arrays(f"data/rgnn_conductance/{task}.npz")
    return [{k: v.astype(float) for k, v in part.items()} for part in (trained, frozen)]


def force_case():
    z = arrays("parity/original/atomic_force_tiny8.npz")
    graph = Neighbourhood(
        z["atomic_numbers"],
        z["neighbors"],
        *(z[k].astype(float) for k in ("neighbor_mask", "distances", "unit_vecs")),
    )
    return z, graph


def hamiltonian_case():
    z = arrays("parity/original/hamiltonian_graphene2x2_r3.0.npz")
    names = ("sub_atom_idx", "sub_edge_idx", "sub_edge_ang", "sub_index")
    types = np.zeros(len(z["positions"]), dtype=int)
    bonds = Bonds(types, z["edge_index"], z["edge_attr"][:, 0], *(z[name] for name in names))
    return z, bonds


def test_forces_without_quantiser():
    _, graph = force_case()
    forces = ForceNetwork(*weights("atomic_force"), Unquantised())(graph)
    expected = arrays("parity/original/atomic_force_tiny8_noquant.npz")["forces_f64"]
    assert np.abs(forces - expected).max() <= 1e-6


def test_forces_with_their_quantiser_layer_by_layer():
    z, graph = force_case()
    theirs = Original()
    network = ForceNetwork(*weights("atomic_force"), theirs)
    for layer, (node, edge) in enumerate(network.features(graph)):
        assert np.abs(node - z[f"node{layer}_f64"]).max() <= 1e-6
        assert np.abs(edge - z[f"edge{layer}_f64"]).max() <= 1e-6
    for product, codes in enumerate(theirs.codes.values()):
        difference = np.abs(codes.astype(int) - z[f"qcode{product}_f64"])
        assert difference.max() <= 1 and (difference > 0).mean() < 0.005
    assert np.abs(network(graph) - z["forces_f64"]).max() <= 1e-6


def test_hamiltonian_with_their_quantiser_layer_by_layer():
    z, bonds = hamiltonian_case()
    theirs = Original()
    network = HamiltonianNetwork(*weights("hamiltonian"), theirs)
    for layer, (atom, edge) in enumerate(network.features(bonds)):
        assert np.abs(atom - z[f"mp{layer}_atom_f64"]).max() <= 1e-6
        assert np.abs(edge - z[f"mp{layer}_edge_f64"]).max() <= 1e-6
    for product, codes in enumerate(theirs.codes.values()):
        difference = np.abs(codes.astype(int) - z[f"qcode{product}_f64"])
        assert difference.max() <= 1 and (difference > 0).mean() < 0.005
    assert np.abs(network(bonds) - z["H_f64"]).max() <= 1e-6


def test_our_quantiser_does_not_see_padding():
    """An atom far away and one more padding column leave every force alone, theirs do not."""
    _, graph = force_case()
    theirs = Original()
    parts = weights("atomic_force")
    exact = ForceNetwork(*parts, Unquantised())(graph)
    ForceNetwork(*parts, theirs)(graph)
    limits = {name: max(map(abs, ends)) for name, ends in theirs.ranges.items()}
    n = len(graph.numbers)

    def wider(table, value):
        return np.concatenate([table, np.full((n, 1, *table.shape[2:]), value, table.dtype)], 1)

    padded = Neighbourhood(
        graph.numbers,
        wider(graph.neighbours, 0),
        wider(graph.mask, 0),
        wider(graph.distances, 50.0),
        wider(graph.unit, 0),
    )
    change, error = {}, {}
    for name, product in {"ours": Fixed(limits, bits=9), "theirs": Original()}.items():
        network = ForceNetwork(*parts, product)
        forces = network(graph)
        change[name] = np.abs(network(padded) - forces).max()
        error[name] = np.abs(forces - exact).mean()
    assert change["ours"] < 1e-12
    assert error["ours"] < error["theirs"]  # rounded beats cut off at equal steps
