"""The energy trace of a run while it trains: a table after every block, a figure now and then."""

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rgnn.plot import wavefunction as figures
from rgnn.run.directory import RunDirectory
from rgnn.tasks.wavefunction.wavefunction import Trace

TABLE, FIGURE = "trace.csv", "trace.png"


@dataclass
class Live:
    """Keeps `trace.csv` and `trace.png` of `run` up to date; viewers that reload show it live."""

    run: RunDirectory
    reference: float | None
    interval: float = 5.0
    """Seconds between two figures."""
    drawn: float = field(default_factory=time.monotonic)

    def __call__(self, trace: Trace) -> None:
        """Write the table, and the figure if it is time for one."""
        self.run.write(TABLE, lambda path: _table(path, trace))
        if time.monotonic() - self.drawn >= self.interval:
            self.draw(trace)

    def draw(self, trace: Trace) -> None:
        """Write the figure: energies, their running mean, the reference, the variance."""
        if not len(trace.energy):
            return
        figure = figures.training(trace.energy, trace.variance, self.reference)
        self.run.write(FIGURE, lambda path: figure.savefig(path, format="png", dpi=110))
        self.drawn = time.monotonic()


def _table(path: Path, trace: Trace) -> None:
    columns = np.column_stack([np.arange(1, len(trace.energy) + 1), *trace])
    header = "iteration,energy_Ha,variance_Ha2,acceptance,step"
    formats = ["%d", "%.8f", "%.6g", "%.4f", "%.6g"]
    np.savetxt(path, columns, fmt=formats, delimiter=",", header=header, comments="")
