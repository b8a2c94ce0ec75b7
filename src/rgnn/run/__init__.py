"""One experiment: configuration, run directory, record, resume, report."""
