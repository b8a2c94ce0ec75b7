"""Hamiltonians in k space: bands, density of states, Fermi level, effective masses."""
