"""Train a gated readout by alternating least squares, warm-started from the linear one.

At fixed gate v the energy is linear in the two readouts (w, u), at fixed u in (w, v): each step is
the ridge regression every linear readout is trained with, evidence and left-out frames included,
on a network that looks wider. Only ratios matter between the factors, so the gate is brought to
zero mean and unit spread before each step; the prior acts on the other factor.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from rgnn.reservoir.reservoir import Reservoir
from rgnn.tasks.force.gate import Gate, Gated, gated, wider
from rgnn.tasks.force.readout import Readout

Solve = Callable[[Gated, Int[np.ndarray, " n"]], Readout]
"""Trains the readout of a network whose features are of the given kinds."""


def refine(
    network: Reservoir,
    start: Readout,
    kinds: Int[np.ndarray, " n_feature"],
    seen: tuple[Float[np.ndarray, "n_atom n_feature"], Int[np.ndarray, " n_atom"]],
    n_gate: int,
    rounds: int,
    solve: Solve,
) -> tuple[Gate | None, Readout]:
    """Return gate and readout after `rounds` solutions for the readouts behind the gate.

    `start` is the linear readout, `seen` holds features and elements of some training atoms.
    Without a gate the linear readout comes back: where frames left out are not predicted better.
    """
    mean = _by_element(*seen, len(start.weights))
    gate, trained, n = _standard(start.weights[:, :n_gate], mean, seen), start, len(kinds)
    for step in range(2 * rounds - 1):
        opened = n if step % 2 == 0 else n_gate
        trained = solve(gated(network, gate, mean[:, :opened]), wider(kinds, opened))
        if step < 2 * rounds - 2:
            gate = _standard(trained.weights[:, n:], mean, seen)
    if trained.summary["left_out_force_rmse"] > start.summary["left_out_force_rmse"]:
        return None, start
    return gate, _counted_from_zero(trained, gate, mean)


def _by_element(
    features: Float[np.ndarray, "n_atom n_feature"],
    species: Int[np.ndarray, " n_atom"],
    n_species: int,
) -> Float[np.ndarray, "n_species n_feature"]:
    """Return the mean of every feature, zero for elements not seen."""
    own = [features[species == s] for s in range(n_species)]
    return np.stack([f.sum(axis=0) / max(len(f), 1) for f in own])


def _standard(
    weights: Float[np.ndarray, "n_species n_gate"],
    mean: Float[np.ndarray, "n_species n_feature"],
    seen: tuple[Float[np.ndarray, "n_atom n_feature"], Int[np.ndarray, " n_atom"]],
) -> Gate:
    """Return the gate with zero mean for every element and unit spread over all atoms seen."""
    centre = (weights * mean[:, : weights.shape[1]]).sum(axis=1)
    spread = float(np.sqrt(np.mean(Gate(weights, centre).of(*seen) ** 2)))
    scale = 1 / spread if spread > 0 else 0.0
    return Gate(scale * weights, scale * centre)


def _counted_from_zero(
    readout: Readout, gate: Gate, mean: Float[np.ndarray, "n_species n_feature"]
) -> Readout:
    """Return the same readout for features behind the gate that are counted from zero.

    h u · (φ − φ̄) = h u · φ − (u · φ̄) h, and h is a readout of φ itself.
    """
    weights, offset = _shifted(readout.weights, readout.offset, gate, mean)
    draws: Sequence[tuple[np.ndarray, np.ndarray]] = [
        _shifted(own, constant, gate, mean)
        for own, constant in zip(
            readout.sample_weights.astype(np.float64), readout.sample_offset, strict=True
        )
    ]
    if not draws:
        return replace(readout, weights=weights, offset=offset)
    return replace(
        readout,
        weights=weights,
        offset=offset,
        sample_weights=np.stack([w for w, _ in draws]).astype(np.float32),
        sample_offset=np.stack([o for _, o in draws]),
    )


def _shifted(
    weights: Float[np.ndarray, "n_species n"],
    offset: Float[np.ndarray, " n_species"],
    gate: Gate,
    mean: Float[np.ndarray, "n_species n_feature"],
) -> tuple[Float[np.ndarray, "n_species n"], Float[np.ndarray, " n_species"]]:
    constant = (weights[:, mean.shape[1] :] * mean).sum(axis=1)
    weights = weights.copy()
    weights[:, : gate.weights.shape[1]] -= constant[:, None] * gate.weights
    return weights, offset + constant * gate.centre
