"""The hardware bill: what reads of a model cost in energy, time and area."""
