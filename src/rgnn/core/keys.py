"""Named random keys: one root seed per run, children by name.

Adding a consumer never shifts the numbers another consumer draws, because a child key depends
only on the root and on its own name.
"""

import zlib

import jax
from jaxtyping import PRNGKeyArray


def root(seed: int) -> PRNGKeyArray:
    """Return the root key of a run."""
    return jax.random.key(seed)


def child(key: PRNGKeyArray, *names: str | int) -> PRNGKeyArray:
    """Return the key that belongs to `names` below `key`, e.g. `child(root, "read", 3)`."""
    for name in names:
        number = name if isinstance(name, int) else zlib.crc32(name.encode())
        key = jax.random.fold_in(key, number)
    return key
