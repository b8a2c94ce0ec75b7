"""Draw the README's figure from a finished demo.

rgnn demo --out rgnn-demo && python benchmarks/readme_figure.py rgnn-demo docs/overview.png
"""

import sys
from pathlib import Path

from rgnn.device.chip import Chip
from rgnn.md.analysis import analyse
from rgnn.plot.overview import overview
from rgnn.run.comparison import Comparison
from rgnn.run.demo import MD
from rgnn.run.force_report import CHIP, PREDICTIONS


def main(demo: Path, out: Path) -> None:
    """Write the figure of the demo in `demo` to `out`."""
    found = Comparison.load(demo / PREDICTIONS)
    radial = analyse(demo / MD).radial
    assert radial is not None  # the demo's system is periodic
    chip = Chip.load(demo / CHIP)
    overview(chip.conductance[0], found.forces, found.forces_predicted, radial).savefig(
        out, dpi=130
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
