"""One thread per test process, a compilation cache, and room for what gets compiled."""

import os
from pathlib import Path

import pytest

_SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_COMPILATION_CACHE_DIR": str(Path(__file__).parents[1] / ".pytest_cache" / "jax"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5",
}

# jax reads these when it is first imported, so they are set before any test module is.
for _name, _value in _SETTINGS.items():
    os.environ.setdefault(_name, _value)

_MAPS = Path("/proc/self/maps")
_MANY_MAPS = 20_000


@pytest.fixture(autouse=True, scope="module")
def _free_compiled_functions():
    """Forget compiled functions after a module, once they hold many memory maps.

    Every one keeps several maps; Linux allows a process 65 530 (vm.max_map_count), and jax ends in
    a segmentation fault beyond. Few modules come near, and clearing costs those after it a reload.
    """
    yield
    if _MAPS.exists() and _MAPS.read_bytes().count(b"\n") > _MANY_MAPS:
        import jax

        jax.clear_caches()
