"""The authors' Hamiltonian network: blocks of the Hamiltonian in the local frame of each edge.

Three frozen message layers on the chip's matrices, one trained layer, and a trained readout that
gathers the edges of both atoms of an edge with their angles (doi 10.1038/s43588-025-00844-3;
structure after DeepH, doi 10.1038/s43588-022-00265-6).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from rgnn.original.layers import linear, sigmoid, softplus
from rgnn.original.quantiser import AbstractProduct

Atoms = Float[np.ndarray, "n_atom 14"]
Edges = Float[np.ndarray, "n_edge _"]

RANGE = 3.0
"""Width [Å] of the Gaussian that damps messages over distance."""


@dataclass(frozen=True, eq=False)
class Bonds:
    """Edges, self-edges included, and for each the edges of its two atoms with their angles."""

    types: Int[np.ndarray, " n_atom"]
    index: Int[np.ndarray, "2 n_edge"]
    distances: Float[np.ndarray, " n_edge"]
    sub_atoms: Int[np.ndarray, "n_sub 2"]
    sub_edges: Int[np.ndarray, " n_sub"]
    sub_angles: Float[np.ndarray, "n_sub 25"]
    sub_index: Int[np.ndarray, " n_sub"]


@dataclass(frozen=True, eq=False)
class HamiltonianNetwork:
    """Trained weights by their published names, frozen ones as `layer0.lin_f` and so on."""

    trained: Mapping[str, np.ndarray]
    frozen: Mapping[str, np.ndarray]
    product: AbstractProduct

    def __call__(self, bonds: Bonds) -> Float[np.ndarray, "n_edge 169"]:
        """Return the 13 × 13 blocks [eV], row by row, in the frame of each edge."""
        atom, edge = self.features(bonds)[-1]
        inputs = np.concatenate(
            [*atom[bonds.sub_atoms.T], edge[bonds.sub_edges], bonds.sub_angles], axis=-1
        )
        message = sigmoid(linear(inputs, self.trained, "output.lin_f"))
        message = message * softplus(linear(inputs, self.trained, "output.lin_s"))
        message = message * _damping(bonds.distances[bonds.sub_edges])
        gathered = _scatter(message, bonds.sub_index, 2 * len(edge)).reshape(len(edge), -1)
        hidden = np.concatenate([gathered, edge], axis=-1)
        for layer in (0, 2):
            hidden = _silu(linear(hidden, self.trained, f"output.e_lin.{layer}"))
        return linear(hidden, self.trained, "output.e_lin.4")

    def features(self, bonds: Bonds) -> list[tuple[Atoms, Edges]]:
        """Return what each of the four layers puts out, before it is added to its inputs."""
        atom, edge = self._initial(bonds)
        states = []
        for layer in range(3):
            new_atom, new_edge = self._frozen_layer(atom, edge, bonds, layer)
            states.append((new_atom, new_edge))
            atom, edge = atom + new_atom, edge + new_edge
        states.append(self._trained_layer(atom, edge, bonds))
        return states

    def _initial(self, bonds: Bonds) -> tuple[Atoms, Edges]:
        centre = self.trained["distance_expansion.offsets"]
        width = self.trained["distance_expansion.width"]
        edge = np.exp(-0.5 * ((bonds.distances[:, None] - centre) / width) ** 2)
        return self.trained["embed.weight"][bonds.types], edge

    def _frozen_layer(
        self, atom: Atoms, edge: Edges, bonds: Bonds, layer: int
    ) -> tuple[Atoms, Edges]:
        def read(x: np.ndarray, which: str) -> np.ndarray:
            label = f"layer{layer}.{which}"
            return self.product(x, self.frozen[label], label)

        z = _message_inputs(atom, edge, bonds)
        message = sigmoid(read(z, "lin_f")) * softplus(read(z, "lin_s"))
        atom = self._update(atom, message, bonds, f"mp{layer + 1}")
        hidden = _silu(read(_edge_inputs(atom, edge, bonds), "edge_fc1"))
        return atom, _silu(read(hidden, "edge_fc2"))

    def _trained_layer(self, atom: Atoms, edge: Edges, bonds: Bonds) -> tuple[Atoms, Edges]:
        z = _message_inputs(atom, edge, bonds)
        message = sigmoid(linear(z, self.trained, "mp6.cgconv.lin_f"))
        message = message * softplus(linear(z, self.trained, "mp6.cgconv.lin_s"))
        atom = self._update(atom, message, bonds, "mp6")
        hidden = _silu(linear(_edge_inputs(atom, edge, bonds), self.trained, "mp6.fc1"))
        return atom, _silu(linear(hidden, self.trained, "mp6.fc2"))

    def _update(self, atom: Atoms, message: Edges, bonds: Bonds, name: str) -> Atoms:
        """Return atoms with their messages added, normalised over the whole graph."""
        total = _scatter(message * _damping(bonds.distances), bonds.index[1], len(atom))
        centred = total - total.mean()
        normal = centred / np.sqrt(total.var() + 1e-5)
        scaled = normal * self.trained[f"{name}.cgconv.ln.weight"]
        return atom + scaled + self.trained[f"{name}.cgconv.ln.bias"]


def _edge_inputs(atom: Atoms, edge: Edges, bonds: Bonds) -> Float[np.ndarray, "n_edge 56"]:
    return np.concatenate([*atom[bonds.index], edge], axis=-1)


def _message_inputs(atom: Atoms, edge: Edges, bonds: Bonds) -> Float[np.ndarray, "n_edge 56"]:
    """Return receiver, sender and edge: messages list their atoms the other way round."""
    return np.concatenate([*atom[bonds.index[::-1]], edge], axis=-1)


def _damping(distances: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 1"]:
    return np.exp(-(distances**2) / (2 * RANGE**2))[:, None]


def _scatter(
    values: Float[np.ndarray, "n width"], index: Int[np.ndarray, " n"], size: int
) -> Float[np.ndarray, "size width"]:
    total = np.zeros((size, values.shape[1]))
    np.add.at(total, index, values)
    return total


def _silu(x: np.ndarray) -> np.ndarray:
    return x * sigmoid(x)
