"""Settings compared on training frames left out of the fit: what the defaults rest on."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hamiltonian_spectrum import LEFT_OUT as DISTORTED
from rgnn.crossbar.build import Periphery
from rgnn.io.hamiltonians import read_all
from rgnn.tasks.hamiltonian.config import DensityConfig, HamiltonianConfig
from rgnn.tasks.hamiltonian.metrics import compare, summarise
from rgnn.tasks.hamiltonian.model import HamiltonianModel

ORDINARY = (0, 5, 8, 13)
DEFAULT = HamiltonianConfig()
NOISY = replace(DEFAULT, periphery=Periphery(rung="quantised"))
SHORT = DensityConfig(4.5, 8, 4)
SETTINGS = {
    "as shipped": DEFAULT,
    "4.5 Å around atoms": replace(DEFAULT, around_atom=SHORT),
    "4.5 Å around atoms and bonds": replace(
        DEFAULT, around_atom=SHORT, around_bond=replace(SHORT, lmax=6)
    ),
    "8 bits, as shipped": NOISY,
    "8 bits, ranges 12 and 12": replace(NOISY, limit=12.0),
    "8 bits, ranges 5 and 5": replace(NOISY, product_limit=5.0),
    "8 bits, ranges 5 and 24": replace(NOISY, product_limit=24.0),
}


def choices(shared: Path, seed: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Leave four ordinary or the four most distorted training frames out, setting by setting."""
    frames = read_all([shared / "data/graphene_openmx/train"])
    for group, left_out in (("ordinary", ORDINARY), ("distorted", DISTORTED)):
        train = [f for n, f in enumerate(frames) if n not in left_out]
        test = [frames[n] for n in left_out]
        for name, config in SETTINGS.items():
            model = HamiltonianModel.fit(train, seed=seed, config=config)
            found = [compare(f, model.predict_frame(f.structure)) for f in test]
            yield f"chosen on {group} frames: {name}", summarise(found)
