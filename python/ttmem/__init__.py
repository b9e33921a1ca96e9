"""Marks and regions for ttmem, which shows where the memory of Tenstorrent devices goes.

    import ttmem

    ttmem.mark("weights loaded")
    with ttmem.region("decode"):
        step()

Everything here does nothing, and costs next to nothing, in a process without libttmem.so (`ttmem run` preloads it).
See docs/python.md.
"""

from ttmem._library import enabled, flush, library_version, mark
from ttmem._memory import memory_stats
from ttmem._region import region

__version__ = "0.1.0"

__all__ = ["__version__", "enabled", "flush", "library_version", "mark", "memory_stats", "region"]
