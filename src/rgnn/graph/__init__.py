"""Atoms as padded dense neighbour graphs; radial functions and spherical harmonics."""
