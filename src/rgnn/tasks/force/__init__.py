"""Energies, forces and stress from structures."""
