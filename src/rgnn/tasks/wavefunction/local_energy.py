"""Local energies E_L = V − ½ (Δ log|ψ| + |∇ log|ψ||²) in hartree."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from rgnn.tasks.wavefunction.electrons import differences
from rgnn.tasks.wavefunction.jet import Jet, inner


def kinetic(log_psi: Jet | Array) -> Float[Array, " *batch"]:
    """Return −½ Δψ/ψ from the jet of log|ψ|; the square is formed between reads."""
    if not isinstance(log_psi, Jet):
        raise TypeError("the kinetic energy needs log|ψ| with its derivatives: a Jet")
    return -0.5 * (log_psi.lap + inner(log_psi.dx, log_psi.dx))


def coulomb(
    electrons: Float[Array, "*batch n 3"], nuclei: Float[Array, "m 3"], charges: Float[Array, " m"]
) -> Float[Array, " *batch"]:
    """Return the electron–nucleus and electron–electron energy."""
    to_nuclei = jnp.linalg.norm(electrons[..., None, :] - nuclei, axis=-1)
    between = jnp.linalg.norm(differences(electrons), axis=-1)
    return 0.5 * (1 / between).sum((-1, -2)) - (charges / to_nuclei).sum((-1, -2))
