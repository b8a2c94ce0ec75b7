"""Arrays in, matplotlib figures out; no files."""
