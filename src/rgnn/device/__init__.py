"""One memory cell: program, read, drift; measured and sampled chips."""
