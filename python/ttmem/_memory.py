"""How much device memory there is, is in use and is left, for the program itself."""

from __future__ import annotations

import ctypes
from typing import Any

from ttmem import _library

#: tt-metal's `BufferType`.
BUFFER_TYPES = {"DRAM": 0, "L1": 1, "L1_SMALL": 3, "TRACE": 4}


class _Memory(ctypes.Structure):
    """`struct ttmem_memory` of include/ttmem.h."""

    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            "size",
            "banks",
            "bytes_limit",
            "bytes_in_use",
            "peak_bytes_in_use",
            "largest_free_block_bytes",
            "num_allocs",
        )
    ]


def memory_stats(device: Any, memory: str = "DRAM") -> dict[str, int] | None:
    """What a memory of a device has, holds and has left, after all that this process allocated and freed before the call.

    Args:
        device: the id of a chip, or a mesh of ttnn, which stands for its first chip: its allocator keeps all chips alike.
        memory: "DRAM", "L1", "L1_SMALL" or "TRACE".

    Returns:
        Bytes over all banks of the chip, by the names of JAX's `memory_stats`: `bytes_limit`, `bytes_in_use`,
        `peak_bytes_in_use` and `largest_free_block_bytes`; and `num_allocs` and `banks`. The bytes per bank are those
        divided by `banks`. None where nothing is known of that memory, an event is missing, or the library is not there.

    Raises:
        ValueError: if there is no memory of that name.

    Source: `ttmem_memory` of include/ttmem.h. Tens of milliseconds the first time, then some 0.3 ms.
    """
    if memory not in BUFFER_TYPES:
        raise ValueError(f"ttmem.memory_stats: {memory!r} is none of {', '.join(BUFFER_TYPES)}")
    if _library.library is None:
        return None
    chip = device if isinstance(device, int) else device.get_device_ids()[0]
    figures = _Memory(size=ctypes.sizeof(_Memory))
    if not _library.library.memory(chip, BUFFER_TYPES[memory], ctypes.byref(figures)):
        return None
    return {name: getattr(figures, name) for name, _ in _Memory._fields_[1:]}
