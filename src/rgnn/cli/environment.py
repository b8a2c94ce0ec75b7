"""Process-wide settings the commands need, made before anything heavy is imported."""

import os
import sys
import warnings
from pathlib import Path
from typing import Any

_DEFAULTS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5",
    "TF_CPP_MIN_LOG_LEVEL": "3",  # the compiler's alarms about its own pace tell users nothing
}


def prepare() -> None:
    """Set one thread per process and a compilation cache, unless the user chose otherwise.

    Small matrices are up to 50 times slower on threads that spin on a busy machine; more cores are
    used better by more runs. Compiled programs are kept in `~/.cache/rgnn` for the next command.
    """
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_cache()))
    warnings.showwarning = _show


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "rgnn" / "jax"


def _show(message: Any, category: Any, *_: Any) -> None:
    """Print a warning as one line without the place in the code it came from."""
    print(f"warning: {' '.join(str(message).split())}", file=sys.stderr)
