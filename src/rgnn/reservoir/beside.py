"""What is trained beside the chip: channels, and what messages are made of."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from rgnn.core import keys
from rgnn.reservoir.config import ReservoirConfig
from rgnn.reservoir.trained_message import paths


class Beside(NamedTuple):
    """What is trained beside the chip; every part may be empty."""

    channels: Float[Array | np.ndarray, "_degree _channel _in"]
    """Combinations of the densities of every degree."""
    scalar_channels: Float[Array | np.ndarray, "_degree _channel _in"]
    """The same of the densities of scalars that trained messages say."""
    vector_channels: Float[Array | np.ndarray, "_path _channel _in"]
    """The same of the densities of vectors, by `trained_message.paths`."""
    telling: Float[Array | np.ndarray, "_species _scalar _source"]
    """Scalars that atoms of an element say, as combinations of their scaled source invariants."""
    vectors: Float[Array | np.ndarray, "_species _vector _in"]
    """Vectors that they say, as combinations of their densities of degree one."""

    @staticmethod
    def nothing() -> "Beside":
        """Return no parts."""
        return Beside(*[np.zeros((0, 0, 0))] * 5)


def drawn(
    config: ReservoirConfig, source_widths: Sequence[int], n_species: int, seed: int
) -> Beside:
    """Return random numbers to start from, elements saying the same; none where none are trained.

    Scalars are made of as many invariants as `source_widths` add up to.
    """
    if not config.trained.channels:
        return Beside.nothing()

    def normal(name: str, *shape: int) -> Float[np.ndarray, "*shape"]:
        key = keys.child(keys.root(seed), name)
        return np.asarray(jax.random.normal(key, shape), np.float64)

    m, by_degree = config.message, (config.lmax + 1, config.trained.channels)
    n_in = n_species * config.n_function
    own = normal("trained channels", *by_degree, n_in)
    if not config.listens:
        return Beside.nothing()._replace(channels=own)
    n_path = len(paths(config.lmax)) if m.vectors else 0
    telling = normal("trained messages", m.scalars, sum(source_widths))
    vectors = normal("trained vectors", m.vectors, n_in)
    return Beside(
        own,
        normal("heard channels", *by_degree, m.scalars * m.n_radial),
        normal("heard vectors", n_path, config.trained.channels, m.vectors * m.n_radial),
        np.tile(telling, (n_species, 1, 1)),
        np.tile(vectors, (n_species, 1, 1)),
    )
