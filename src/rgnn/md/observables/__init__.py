"""Observables of a trajectory: pure functions from arrays to frozen records."""

from rgnn.md.observables.diffusion import Diffusion as Diffusion
from rgnn.md.observables.diffusion import default_window as default_window
from rgnn.md.observables.diffusion import diffusion as diffusion
from rgnn.md.observables.diffusion import mean_square_displacement as mean_square_displacement
from rgnn.md.observables.diffusion import without_drift as without_drift
from rgnn.md.observables.radial import RadialDistribution as RadialDistribution
from rgnn.md.observables.radial import radial_distribution as radial_distribution
from rgnn.md.observables.statistics import Drift as Drift
from rgnn.md.observables.statistics import Temperature as Temperature
from rgnn.md.observables.statistics import drift as drift
from rgnn.md.observables.statistics import inefficiency as inefficiency
from rgnn.md.observables.statistics import temperature as temperature
from rgnn.md.observables.vibrations import Vibrations as Vibrations
from rgnn.md.observables.vibrations import vibrations as vibrations
