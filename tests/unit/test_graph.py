import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import sph_harm_y

from rgnn.core.structure import Structure
from rgnn.graph import batch, harmonics
from rgnn.graph.neighbours import pairs_within
from rgnn.graph.radial import RadialBasis, envelope
from rgnn.reservoir.density import edge_functions


def test_harmonics_are_the_textbook_ones():
    """Real harmonics from scipy's complex ones, in the norm Σ_m Y² = 2l + 1."""
    rng = np.random.default_rng(0)
    unit = rng.normal(size=(20, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    theta, phi = np.arccos(unit[:, 2]), np.arctan2(unit[:, 1], unit[:, 0])
    ours = np.asarray(harmonics.spherical_harmonics(jnp.asarray(unit, jnp.float32), 4))
    for degree in range(5):
        for m in range(-degree, degree + 1):
            complex_value = sph_harm_y(degree, abs(m), theta, phi) * (-1) ** m
            real = complex_value.real if m >= 0 else complex_value.imag
            expected = real * np.sqrt(4 * np.pi) * (np.sqrt(2) if m else 1)
            assert ours[:, degree**2 + degree + m] == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("degrees", [(0, 0, 0), (1, 1, 2), (2, 2, 2), (3, 3, 2), (1, 2, 3)])
def test_couplings_are_invariant(degrees):
    """Σ C_ijk Y_i(a) Y_j(b) Y_k(c) does not change when a, b and c turn together."""
    rng = np.random.default_rng(1)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    with jax.enable_x64(True):
        vectors = rng.normal(size=(3, 3))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

        def scalar(v):
            y = np.asarray(harmonics.spherical_harmonics(jnp.asarray(v), 3))
            parts = [y[n, d**2 : (d + 1) ** 2] for n, d in enumerate(degrees)]
            return np.einsum("ijk,i,j,k->", harmonics.coupling(*degrees), *parts)

        assert scalar(vectors @ rotation.T) == pytest.approx(scalar(vectors), rel=1e-10)


def test_couplings_refuse_what_does_not_couple():
    with pytest.raises(ValueError, match="do not couple"):
        harmonics.coupling(1, 1, 1)


def test_envelope_ends_with_two_vanishing_derivatives():
    ends = [
        jax.grad(lambda x: envelope(x)),
        jax.grad(jax.grad(lambda x: envelope(x))),
    ]
    assert float(envelope(jnp.asarray(0.0))) == 1.0
    assert float(envelope(jnp.asarray(1.0))) == 0.0
    assert all(abs(float(d(jnp.asarray(0.99999)))) < 1e-3 for d in ends)


def test_edge_gradients_are_the_derivatives_of_edge_values():
    with jax.enable_x64(True):
        basis = RadialBasis(jnp.array([[1.5]]), 5.0, 6)
        zeros = jnp.zeros(4, int)
        vectors = 2 * jax.random.normal(jax.random.key(0), (4, 3), jnp.float64)

        def functions(v):
            return edge_functions(v, zeros, zeros, basis, 3, jnp.linspace(1, 0.1, 6))

        for degree in range(4):
            jacobian = jax.jacfwd(lambda v, d=degree: functions(v).value(d))(vectors)
            expected = jnp.einsum("menex->mexn", jacobian)
            assert jnp.allclose(functions(vectors).gradient(degree), expected, atol=1e-12)


def test_pairs_in_a_cell_smaller_than_the_cutoff_see_all_images():
    """Simple cubic, lattice constant 2 Å: 6 + 12 + 8 neighbours within 3.5 Å (√3·2 = 3.46)."""
    cube = Structure(np.zeros((1, 3)), np.array([3]), 2 * np.eye(3), np.ones(3, bool))
    pairs = pairs_within(cube, 3.5)
    assert len(pairs.centre) == 26
    assert np.abs(pairs.vector.sum(axis=0)).max() < 1e-12


def test_partly_periodic_cells():
    slab = Structure(
        np.zeros((1, 3)), np.array([3]), np.diag([2.0, 2.0, 20.0]), np.array([True, True, False])
    )
    assert len(pairs_within(slab, 2.5).centre) == 4


def test_isolated_atom_has_an_empty_neighbourhood():
    atom = Structure(np.zeros((1, 3)), np.array([3]))
    graph = batch.build(atom, pairs_within(atom, 5.0), [3])
    assert graph.vector.shape[1] == 0 or not graph.pair_mask.any()


def test_graph_holds_every_pair_once_in_the_slot_of_its_element():
    rng = np.random.default_rng(2)
    structure = Structure(
        rng.uniform(0, 6, (12, 3)), np.array([3, 8, 15] * 4), 6 * np.eye(3), np.ones(3, bool)
    )
    pairs = pairs_within(structure, 4.0)
    graph = batch.build(structure, pairs, [3, 8, 15], n_atom=16)
    assert graph.pair_mask.sum() == len(pairs.centre)
    for element, columns in enumerate(graph.slices):
        mask = graph.pair_mask[:, columns]
        neighbours = graph.neighbour[:, columns][mask]
        assert (graph.species[neighbours] == element).all()
    found = sorted(np.round(graph.vector[graph.pair_mask], 9).tolist())
    assert found == sorted(np.round(pairs.vector, 9).tolist())


def test_unknown_element_names_what_is_known():
    gold = Structure(np.zeros((1, 3)), np.array([79]))
    with pytest.raises(ValueError, match="known"):
        batch.species_index(gold, [3, 8])


@pytest.mark.parametrize("size", [1, 4, 5, 33, 100, 1000])
def test_buckets_hold_their_size_without_much_waste(size):
    assert size <= batch.bucket(size) <= max(4, 1.34 * size + 4)
    assert size <= batch.bucket(size, batch.ROWS) <= max(4, 1.13 * size + 4)
