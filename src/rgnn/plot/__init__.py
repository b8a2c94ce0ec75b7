"""Arrays in, matplotlib Figure out: no files, no global state, units on every axis."""
