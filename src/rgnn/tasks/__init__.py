"""Reservoir + readout + the physics of one property."""
