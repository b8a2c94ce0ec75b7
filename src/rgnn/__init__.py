"""Reservoir graph networks on resistive-memory chips."""
