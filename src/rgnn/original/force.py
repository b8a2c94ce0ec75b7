"""The authors' force network: forces predicted directly, edge by edge.

Two frozen message layers on the chip's matrices, one trained layer, and a trained readout of a
force along every edge (doi 10.1038/s43588-025-00844-3; structure after GNNFF).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from rgnn.original.layers import batch_norm, gated, linear, relu, softplus
from rgnn.original.quantiser import AbstractProduct

Nodes = Float[np.ndarray, "n_atom 18"]
Edges = Float[np.ndarray, "n_atom n_neighbour 18"]


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """A padded neighbour list: `mask` is 0 where there is no neighbour."""

    numbers: Int[np.ndarray, " n_atom"]
    neighbours: Int[np.ndarray, "n_atom n_neighbour"]
    mask: Float[np.ndarray, "n_atom n_neighbour"]
    distances: Float[np.ndarray, "n_atom n_neighbour"]
    unit: Float[np.ndarray, "n_atom n_neighbour 3"]


@dataclass(frozen=True, eq=False)
class ForceNetwork:
    """Trained weights by their published names, frozen ones as `layer0.node_fc1` and so on."""

    trained: Mapping[str, np.ndarray]
    frozen: Mapping[str, np.ndarray]
    product: AbstractProduct

    def __call__(self, graph: Neighbourhood) -> Float[np.ndarray, "n_atom 3"]:
        """Return the forces [eV/Å]."""
        _, edge = self.features(graph)[-1]
        hidden = softplus(linear(edge, self.trained, "output_force.out_net.0")) - np.log(2)
        size = linear(hidden, self.trained, "output_force.out_net.1")
        return (size * graph.unit * graph.mask[..., None]).sum(axis=1)

    def features(self, graph: Neighbourhood) -> list[tuple[Nodes, Edges]]:
        """Return node and edge features before and after each layer."""
        states = [self._initial(graph)]
        for layer in (0, 1):
            states.append(self._frozen_layer(*states[-1], graph, layer))
        states.append(self._trained_layer(*states[-1], graph))
        return states

    def _initial(self, graph: Neighbourhood) -> tuple[Nodes, Edges]:
        node = self.trained["gnn.initial_node_embedding.weight"][graph.numbers]
        centre = self.trained["gnn.initial_edge_embedding.offset"]
        width = self.trained["gnn.initial_edge_embedding.width"]
        edge = np.exp(-0.5 * ((graph.distances[..., None] - centre) / width) ** 2)
        return node, edge

    def _frozen_layer(
        self, node: Nodes, edge: Edges, graph: Neighbourhood, layer: int
    ) -> tuple[Nodes, Edges]:
        name = f"gnn.message_passings.{layer}"

        def read(x: np.ndarray, which: str) -> np.ndarray:
            label = f"layer{layer}.{which}"
            hidden = relu(self.product(x, self.frozen[f"{label}_fc1"], f"{label}_fc1"))
            return gated(self.product(hidden, self.frozen[f"{label}_fc2"], f"{label}_fc2"))

        messages = read(_node_inputs(node, edge), "node") * graph.mask[..., None]
        node = relu(node + batch_norm(messages.sum(axis=1), self.trained, f"{name}.update_node.bn"))
        pair = np.concatenate([_first(node, edge), _second(node, graph)], axis=-1)
        two = batch_norm(read(pair, "two_body"), self.trained, f"{name}.update_edge.bn_two_body")
        triple = read(_triple_inputs(node, edge, graph), "three_body")
        three = (triple * _triple_mask(graph)).sum(axis=2)
        three = batch_norm(three, self.trained, f"{name}.update_edge.bn_three_body")
        return node, relu(edge + two + three)

    def _trained_layer(self, node: Nodes, edge: Edges, graph: Neighbourhood) -> tuple[Nodes, Edges]:
        name = "gnn.message_passings.2"

        def read(x: np.ndarray, first: str, second: str) -> np.ndarray:
            hidden = relu(linear(x, self.trained, f"{name}.{first}"))
            return gated(linear(hidden, self.trained, f"{name}.{second}"))

        messages = read(_node_inputs(node, edge), "update_node.fc1", "update_node.fc2")
        messages = (messages * graph.mask[..., None]).sum(axis=1)
        node = np.tanh(node + batch_norm(messages, self.trained, f"{name}.update_node.bn"))
        update = "update_edge.fc_{}_1", "update_edge.fc_{}_2"
        pair = _first(node, edge) * _second(node, graph)
        two = read(pair, *(u.format("two_body") for u in update))
        two = batch_norm(two, self.trained, f"{name}.update_edge.bn_two_body")
        triple = read(_triple_inputs(node, edge, graph), *(u.format("three_body") for u in update))
        three = (triple * _triple_mask(graph)).sum(axis=2)
        three = batch_norm(three, self.trained, f"{name}.update_edge.bn_three_body")
        return node, np.tanh(edge + two + three)


def _first(node: Nodes, edge: Edges) -> Edges:
    """Return the features of the first atom of every edge."""
    return np.broadcast_to(node[:, None], edge.shape)


def _second(node: Nodes, graph: Neighbourhood) -> Edges:
    """Return the features of the second atom, 0 for padding, which counts in global ranges."""
    return node[graph.neighbours] * graph.mask[..., None]


def _node_inputs(node: Nodes, edge: Edges) -> Float[np.ndarray, "n_atom n_neighbour 36"]:
    return np.concatenate([_first(node, edge), edge], axis=-1)


def _triple_inputs(
    node: Nodes, edge: Edges, graph: Neighbourhood
) -> Float[np.ndarray, "n_atom n_neighbour n_neighbour 90"]:
    """Return h_i, h_j, h_k, e_ij, e_jk for every neighbour k of every neighbour j."""
    n_atom, n_neighbour, width = edge.shape
    shape = (n_atom, n_neighbour, n_neighbour, width)
    second = graph.neighbours
    parts = [
        node[:, None, None],
        _second(node, graph)[:, :, None],
        node[graph.neighbours[second]],
        edge[:, :, None],
        edge[second],
    ]
    return np.concatenate([np.broadcast_to(part, shape) for part in parts], axis=-1)


def _triple_mask(graph: Neighbourhood) -> Float[np.ndarray, "n_atom n_neighbour n_neighbour 1"]:
    """Return whether k is a neighbour of j; padded j are left to what multiplies their edge."""
    return graph.mask[graph.neighbours][..., None]
