"""Marks and regions for ttmem, which shows where the memory of Tenstorrent devices goes.

    import ttmem

    ttmem.mark("weights loaded")
    with ttmem.region("decode"):
        step()

`ttmem run` preloads libttmem.so; `ttmem.start()` loads it into a process that runs. Without it everything else here does
nothing, and costs next to nothing.
See docs/python.md.
"""

from typing import Any

from ttmem._library import enabled, flush, library_version, mark, start, stop
from ttmem._memory import memory_stats
from ttmem._region import region

__version__ = "0.1.0"

__all__ = ["__version__", "enabled", "flush", "library_version", "mark", "memory_stats", "region", "start", "stop"]


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext ttmem`: the cell magic `%%ttmem` (docs/python.md)."""
    from ttmem._notebook import load

    load(shell)
