"""Foreign files and objects to and from our records."""
