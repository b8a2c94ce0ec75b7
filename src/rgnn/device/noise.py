"""How much a cell's conductance fluctuates from one read to the next."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class ReadNoise:
    """Standard deviation of one read, σ(G)² = (relative · G)² + additive².

    Independent and Gaussian from cell to cell and from read to read. `relative` has no unit,
    `additive` is in µS.
    """

    relative: float = 0.0
    additive: float = 0.0

    def std(self, conductance: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Return σ(G) [µS] for `conductance` [µS]."""
        return np.sqrt((self.relative * conductance) ** 2 + self.additive**2)
