"""Workloads of fitted Hamiltonians and wavefunctions, counted by letting them run."""

from dataclasses import dataclass, replace

import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from rgnn.core.structure import Structure
from rgnn.cost.count import Workload
from rgnn.cost.tally import Tally, counting, operations
from rgnn.tasks.hamiltonian.model import HamiltonianModel
from rgnn.tasks.hamiltonian.reservoir import Bank
from rgnn.tasks.wavefunction.wavefunction import Wavefunction

_FLOAT_BITS = 32


@dataclass(frozen=True, eq=False)
class _CountingBank(Bank):
    """Matrices that note every read. They do read: complex inputs are told from real ones."""

    tally: Tally

    def read(
        self, name: str, inputs: Float[np.ndarray, "n n_in"], key: PRNGKeyArray | None
    ) -> Float[np.ndarray, "n n_out"]:
        self.tally.see(name, (self.matrices[name].weight.shape[0], inputs.shape[1]))
        self.tally.activations[name] += len(inputs)
        return super().read(name, inputs, key)


def hamiltonian(model: HamiltonianModel, structure: Structure) -> Workload:
    """Return the work for all blocks of H of one structure.

    Digital: the readouts of every block, and three operations for every number an array returns
    (its products with others, its rotation into the frame of the bond).
    """
    network, tally = model.fitted.network, Tally()
    bank = _CountingBank(network.bank.matrices, tally)
    fitted = replace(model.fitted, network=replace(network, bank=bank))
    frame = replace(model, fitted=fitted).predict_frame(structure)
    arrays = tally.arrays()
    n_atoms = len(structure)
    pairs = (len(frame.first) - n_atoms) // 2  # a block and its transpose are one
    hopping = max(sum(r.weights.size for r in t.values()) for t in model.fitted.hopping.values())
    onsite = max(sum(r.weights.size for r in t.values()) for t in model.fitted.onsite.values())
    digital = pairs * hopping + n_atoms * onsite + 3 * sum(a.reads * a.n_out for a in arrays)
    bits = _FLOAT_BITS * (frame.hamiltonian.size // 2 + 4 * n_atoms)
    return Workload("all blocks of a Hamiltonian", arrays, digital, bits, n_atoms)


def wavefunction(psi: Wavefunction) -> Workload:
    """Return the work for one local energy of one walker and the Metropolis moves before it."""
    problem, tally = psi.problem, Tally()
    ansatz = counting(problem.ansatz, tally)
    electrons = jax.ShapeDtypeStruct(psi.electrons.shape[1:], np.float64)
    moves = psi.config.evaluation.moves
    digital = 0
    with jax.enable_x64(True):
        for repeats, derivatives in ((moves, False), (1, True)):
            reads = 2 if derivatives and ansatz.streams.noisy else 1

            def log_psi(x, key, derivatives=derivatives, reads=reads):
                seen = ansatz.inputs(x, key=key, derivatives=derivatives, reads=reads)
                return ansatz.log_psi(psi.readouts, seen).log

            before = Tally(tally.shapes, dict(tally.activations), dict(tally.tangents))
            traced = jax.make_jaxpr(log_psi)(electrons, jax.random.key(0))
            _repeat(tally, before, repeats)
            digital += repeats * operations(traced.jaxpr)
    name = f"a local energy of one walker and {moves} Metropolis moves"
    bits = _FLOAT_BITS * (electrons.size + 1)
    return Workload(name, tally.arrays(), digital, bits, len(psi.molecule.charges))


def _repeat(tally: Tally, before: Tally, repeats: int) -> None:
    """Count what was added since `before` `repeats` times."""
    for now, then in (
        (tally.activations, before.activations),
        (tally.tangents, before.tangents),
    ):
        now.update({k: then.get(k, 0) + repeats * (now[k] - then.get(k, 0)) for k in now})
