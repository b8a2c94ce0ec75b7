"""Frozen random message passing on any matrix-vector product."""
