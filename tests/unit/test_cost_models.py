"""Reads of other models are counted by letting them run."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from rgnn.cost import models
from rgnn.cost.tally import Tally, counting, operations
from rgnn.crossbar.matvec import AbstractMatVec, Exact
from rgnn.device.chip import Chip
from rgnn.run.config import resolve
from rgnn.run.cost import Order, account
from rgnn.tasks.wavefunction.config import WavefunctionConfig
from rgnn.tasks.wavefunction.system import molecule
from rgnn.tasks.wavefunction.wavefunction import begin


class Two(eqx.Module):
    first: AbstractMatVec
    second: AbstractMatVec


def test_a_model_says_itself_what_it_reads():
    tally = Tally()
    two = Two(Exact(jnp.ones((3, 5))), Exact(jnp.ones((2, 4))))
    counted = counting(two, tally)

    def use(x):
        part = counted.first.driven(1, 3)(x[..., :2])
        return counted.second(jnp.ones((7, 4))).sum() + counted.first.tangent(x).sum() + part.sum()

    jax.eval_shape(use, jnp.ones((2, 6, 5)))
    reads = {a.name: (a.n_out, a.n_in, a.activations, a.tangents) for a in tally.arrays()}
    assert reads == {
        "first": (3, 5, 0, 12),
        "second": (2, 4, 7, 0),
        "first, inputs 1–2": (3, 2, 12, 0),
    }


def test_operations_counted_by_hand():
    """A product of 3×4 with 4×5, its 15 hyperbolic tangents, and a loop of 6 sums of 15."""

    def work(a, b):
        y = jnp.tanh(a @ b)
        return jax.lax.scan(lambda s, _: (s + y, None), y, None, length=6)[0]

    traced = jax.make_jaxpr(work)(jnp.ones((3, 4)), jnp.ones((4, 5)))
    assert operations(traced.jaxpr) == 3 * 4 * 5 + 15 + 6 * 15


def test_a_local_energy_counted_by_hand():
    """H₂: two electrons, two directed pairs; a derivative read for each coordinate that counts."""
    with jax.enable_x64(True):
        target = molecule("H2", charge=0, spin=None, bond_length=None)
        config = WavefunctionConfig().resolved(target)
        psi = begin(target, Chip.sample(seed=0), config, seed=0)
    work = models.wavefunction(psi)
    embedding = next(a for a in work.arrays if "embedding" in a.name)
    moves = config.evaluation.moves
    assert embedding.activations == 2 * moves + 2
    assert embedding.tangents == 2 * (3 + 1)  # along its own x, y and z, and its Laplacian
    assert work.digital_macs > 0 and work.n_atoms == 2
    frozen = sum(a.n_out * a.n_in for a in work.arrays if not a.part)
    assert frozen == psi.frozen


def test_a_saved_wavefunction_is_billed_and_timed(tmp_path):
    tiny = ("size.width=8", "size.pair_width=4", "size.layers=1", "training.walkers=16")
    tiny += ("training.chunk=16", "evaluation.chunk=16", "evaluation.moves=2")
    with jax.enable_x64(True):
        target = molecule("H2", charge=0, spin=None, bond_length=None)
        config = resolve(WavefunctionConfig, assignments=tiny).resolved(target)
        psi = begin(target, Chip.sample(seed=0), config, seed=0)
        psi.save(tmp_path / "model.npz")
    found = account(Order(tmp_path / "model.npz", measure=True))
    assert found.hardware.n_macro == 1
    assert found.timed is not None and found.timed.latency_ns(found.workload) > 0


def test_complex_states_of_a_hamiltonian_are_two_reads():
    tally = Tally()
    bank = models._CountingBank({"bond": Exact(jnp.ones((3, 4)))}, tally)
    bank.read_complex("bond", np.ones((5, 4)) + 0j, None)
    bank.read_complex("bond", np.ones((5, 4)) * 1j, None)
    (array,) = tally.arrays()
    assert (array.n_out, array.n_in, array.activations) == (3, 4, 5 + 10)
