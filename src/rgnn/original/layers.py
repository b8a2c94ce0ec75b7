"""Functions that several of the authors' layers are made of."""

from collections.abc import Mapping

import numpy as np
import scipy.special
from jaxtyping import Float

Array = Float[np.ndarray, "..."]
Weights = Mapping[str, np.ndarray]


def relu(x: Array) -> Array:
    """Return max(x, 0)."""
    return np.maximum(x, 0)


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + e⁻ˣ)."""
    return scipy.special.expit(x)


def softplus(x: Array) -> Array:
    """Return ln(1 + eˣ)."""
    return np.logaddexp(x, 0)


def gated(x: Array) -> Array:
    """Return σ(first half) · tanh(second half)."""
    gate, value = np.split(x, 2, axis=-1)
    return sigmoid(gate) * np.tanh(value)


def linear(x: Array, weights: Weights, name: str) -> Array:
    """Return the affine map called `name`."""
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def batch_norm(x: Array, weights: Weights, name: str, *, epsilon: float = 1e-5) -> Array:
    """Return `x` normalised with the running statistics of training."""
    spread = np.sqrt(weights[f"{name}.running_var"] + epsilon)
    scaled = (x - weights[f"{name}.running_mean"]) / spread
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]
