"""Commands: parse, call run, print."""
