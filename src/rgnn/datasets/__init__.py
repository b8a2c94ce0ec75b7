"""Data that ships with the package: `names()` lists it, `load(name, split)` returns frames."""

from rgnn.datasets.catalogue import about as about
from rgnn.datasets.catalogue import load as load
from rgnn.datasets.catalogue import names as names
