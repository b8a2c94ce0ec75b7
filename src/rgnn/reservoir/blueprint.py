"""Which products a network has and which matrices they need on the chip.

The chip holds a pool of `candidates` times as many columns as the network keeps. Columns are drawn
at random and never changed; which of them are read is all that is chosen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from rgnn.reservoir.complete import complete
from rgnn.reservoir.config import ReservoirConfig
from rgnn.reservoir.products import ColumnCounter, Product, plan

_TELLING_BODY_ORDER = 3
"""Body order up to which an atom's own invariants make what a trained message says of it."""


@dataclass(frozen=True)
class Blueprint:
    """Every product of the network and the shape of every matrix it needs on the chip."""

    own: tuple[Product, ...]
    message: tuple[Product, ...]
    source: tuple[Product, ...]
    shapes: dict[str, list[tuple[int, int]]]
    """(outputs, inputs) of the matrices of `density`, `source`, `projection`, `edge` and `message`,
    those of one group by degree; only what is on the chip."""
    skip: tuple[Product, ...] = ()
    """Products that go around the chip."""
    skip_mixing: tuple[Float[np.ndarray, "_ n_in"], ...] = ()
    """What the first of them pick of the densities, by degree: a single 1 per row."""
    heard: tuple[Product, ...] = ()
    """Products beside the chip whose last factor is a density of what trained messages say."""
    wiring: tuple[tuple[int, ...], ...] = ()
    """Trained channels that all but the picked ones are made of, by degree; empty without any."""
    heard_wiring: tuple[tuple[int, ...], ...] = ()
    """The same for channels of what messages say."""
    digital: dict[str, tuple[Float[np.ndarray, "_ n_in"], ...]] = field(default_factory=dict)
    """Matrices of `density` and `source` by degree, where they are not on the chip."""

    @property
    def source_widths(self) -> list[int]:
        """Return how many invariants of each kind messages are read from, in order.

        Trained ones are read from those around the chip: scalar densities and all products of two,
        which come before those of three.
        """
        if not self.heard:
            return [product.width for product in self.source]
        told = [p.width for p in self.skip if p.body_order <= _TELLING_BODY_ORDER]
        return [self.skip_mixing[0].shape[1], *told]

    @property
    def all_shapes(self) -> list[tuple[int, int]]:
        """Return the shapes in the order the matrices are cut."""
        return [shape for group in self.shapes.values() for shape in group]

    @property
    def widths(self) -> list[int]:
        """Return how many invariants every product of the readout has."""
        return [product.width for product in (*self.own, *self.message)]

    @property
    def picked(self) -> list[int]:
        """Return how many inputs are picked digitally, by degree."""
        groups = (self.skip_mixing, *self.digital.values())
        return [sum(map(len, own)) for own in zip(*groups, strict=True)]


def blueprint(config: ReservoirConfig, n_species: int) -> Blueprint:
    """Return the products and matrices of the whole pool of a network for `n_species` elements."""
    counter, source = ColumnCounter(), ColumnCounter()
    m, more, lmax = config.message, config.candidates, config.lmax
    widths = (more * config.single_width, more * config.pair_width, more * config.triple_width)
    own = plan(widths, lmax, config.coupled_lmax, 0, counter, config.tilt)
    inputs = n_species * config.n_function
    weight = np.tile(density_weights(config), n_species)
    around = plan((0, config.skip_width, 0), lmax, 0, 0, ColumnCounter())
    skip, picks = complete(around, lmax, weight)
    beside = _beside(config, [len(rows) for rows in picks])
    messages, sources, frozen = [], [], m.scalars and not config.listens
    if frozen:
        widths = (more * m.single_width, more * m.pair_width, more * m.triple_width)
        messages = plan(widths, lmax, config.coupled_lmax, 1, counter, config.tilt)
        sources = plan((config.single_width, m.source_width, 0), lmax, 0, 0, source)
    shapes, digital = {"density": _shapes(counter, 0, lmax, inputs)}, {}
    if frozen:
        shapes["source"] = _shapes(source, 0, lmax, inputs)
    if config.family == "complete":
        every, density = complete([*own, *messages], lmax, weight)
        own = [p for p in every if p.factors[-1].layer == 0]
        messages = [p for p in every if p.factors[-1].layer]
        sources, emitted = complete(sources, lmax, weight)
        digital = {"density": tuple(density), "source": tuple(emitted)}
        shapes = {name: [] for name in shapes}
    if frozen:
        receiver = m.receiver
        shapes["projection"] = [(receiver.n_read, sum(p.width for p in sources))]
        shapes["edge"] = [(receiver.n_edge, m.n_radial)] if receiver.n_edge else []
        shapes["message"] = _shapes(counter, 1, lmax, m.scalars * m.n_radial)
    plans = tuple(own), tuple(messages), tuple(sources)
    return Blueprint(
        *plans,
        shapes,
        (*skip, *beside.products),
        tuple(picks),
        beside.heard,
        beside.wiring,
        beside.heard_wiring,
        digital,
    )


class _Beside(NamedTuple):
    """Products of trained channels, and which channel every factor is, by degree."""

    products: tuple[Product, ...] = ()
    heard: tuple[Product, ...] = ()
    wiring: tuple[tuple[int, ...], ...] = ()
    heard_wiring: tuple[tuple[int, ...], ...] = ()


def _beside(config: ReservoirConfig, taken: Sequence[int]) -> _Beside:
    """Return what is made of trained channels; `taken` columns of every degree belong to others.

    Every channel is used equally often, in an order that is the same for every network of these
    sizes.
    """
    t, m, lmax = config.trained, config.message, config.lmax
    if not t.channels:
        return _Beside()
    counter, heard = ColumnCounter(), []
    counter.used = {(0, degree): count for degree, count in enumerate(taken)}
    products = plan((0, t.pair_width, t.triple_width), lmax, config.coupled_lmax, 0, counter)
    if m.scalars:
        widths = (m.single_width, m.pair_width, m.triple_width)
        heard = plan(widths, lmax, config.coupled_lmax, 1, counter)
    rng, none = np.random.default_rng(0), (0,) * len(taken)
    wiring = tuple(
        tuple(_wired(counter.used.get((layer, degree), 0) - count, t.channels, rng))
        for layer, own in enumerate((taken, none))
        for degree, count in enumerate(own)
    )
    n_degree = lmax + 1
    own, further = wiring[:n_degree], wiring[n_degree:] if heard else ()
    return _Beside(tuple(products), tuple(heard), own, further)


def _wired(columns: int, channels: int, rng: np.random.Generator) -> list[int]:
    """Return the channel of every column."""
    order = [rng.permutation(channels) for _ in range(-(-columns // channels))]
    return np.concatenate([np.zeros(0, int), *order])[:columns].tolist()


def _shapes(columns: ColumnCounter, layer: int, lmax: int, n_in: int) -> list[tuple[int, int]]:
    """Return the shapes of the matrices that make the columns of a layer, by degree."""
    return [(columns.used.get((layer, degree), 0), n_in) for degree in range(lmax + 1)]


def density_weights(config: ReservoirConfig) -> Float[np.ndarray, " n_function"]:
    """Return the prior weight of every radial function of the densities, near ones last."""
    own = radial_weights(config.n_radial, config.decay)
    return np.concatenate([config.far_weight * own, own]) if config.near else own


def radial_weights(count: int, decay: float) -> Float[np.ndarray, " n_radial"]:
    """Return the prior weight of every radial function: smooth ones first."""
    return 1 / (1 + (np.arange(count) / decay) ** 2)


def keeping(
    pool: Blueprint, kept: Int[np.ndarray, " n_kept"]
) -> tuple[Blueprint, list[Int[np.ndarray, " _"]]]:
    """Return the network of the kept invariants, and the lines it reads of every matrix.

    `kept` counts the invariants of all products, in order; none at all stands for all of them.
    """
    if not len(kept):
        return pool, [np.arange(n_out) for n_out, _ in pool.all_shapes]
    counter = ColumnCounter()
    lines: dict[tuple[int, int], list[np.ndarray]] = {}
    ends = np.cumsum(pool.widths)
    parts = np.split(kept, np.searchsorted(kept, ends))[:-1]
    products = []
    for product, end, part in zip((*pool.own, *pool.message), ends, parts, strict=True):
        places = part - (end - product.width)
        for factor in product.factors:
            lines.setdefault((factor.layer, factor.degree), []).append(factor.start + places)
        factors = tuple(counter.take(f.layer, f.degree, len(part)) for f in product.factors)
        products.append(Product(factors, len(part)))
    layer_of = {"density": 0, "message": 1}
    shapes, read = {}, []
    for group, own in pool.shapes.items():
        shapes[group] = []
        for degree, (n_out, n_in) in enumerate(own):
            found = [np.arange(n_out)]
            if group in layer_of:
                found = lines.get((layer_of[group], degree), [np.zeros(0, int)])
            read.append(np.concatenate(found))
            shapes[group].append((len(read[-1]), n_in))
    n_own = len(pool.own)
    network = replace(
        pool,
        own=tuple(products[:n_own]),
        message=tuple(products[n_own:]),
        shapes=shapes,
    )
    return network, read
