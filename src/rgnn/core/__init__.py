"""Words everyone shares: structures, units, named random keys, errors."""
