"""The whole way in one figure: a chip, the forces it predicts, the motion they drive."""

import numpy as np
from ase.data import chemical_symbols
from jaxtyping import Float
from matplotlib.figure import Figure

from rgnn.md.observables import RadialDistribution
from rgnn.plot import parity
from rgnn.plot.style import FAINT, PALETTE, panels, styled


@styled
def overview(
    cells: Float[np.ndarray, "n_row n_column"],
    forces: Float[np.ndarray, "n_atom 3"],
    predicted: Float[np.ndarray, "n_atom 3"],
    radial: RadialDistribution,
) -> Figure:
    """Return conductances [µS], force parity [eV/Å] and g(r) side by side."""
    figure, (chip, accuracy, motion) = panels(3, width=3.6, height=3.2)
    corner = cells[:96, :96]
    image = chip.imshow(corner, vmin=0, cmap="cividis", rasterized=True)
    figure.colorbar(image, ax=chip, label="conductance [µS]", shrink=0.8)
    chip.set_title("A corner of the chip: frozen weights")
    chip.set(xlabel="bit line", ylabel="word line")
    parity.draw(accuracy, forces.ravel(), predicted.ravel(), scale=1000.0, unit="meV/Å")
    accuracy.set_title("Forces on a melt never seen")
    accuracy.set(xlabel="reference [eV/Å]", ylabel="predicted [eV/Å]")
    motion.axhline(1.0, color=FAINT, lw=0.8)
    for k, (pair, g) in enumerate(zip(radial.pairs, radial.g, strict=True)):
        label = "–".join(chemical_symbols[z] for z in pair)
        motion.plot(radial.radius, g, lw=1.2, color=PALETTE[k % len(PALETTE)], label=label)
    motion.set_title("Structure in the motion they drive")
    motion.set(xlabel="r [Å]", ylabel="g(r)", xlim=(1, radial.radius[-1]))
    motion.set_ylim(bottom=0)
    motion.legend()
    return figure
