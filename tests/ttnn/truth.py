"""What ttnn itself says about device memory, written down at each step of a program, and a mark for ttmem beside it."""

import ctypes
import json
import pathlib
import sys

import ttnn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "python"))
from ttmem import memory_stats

MEMORIES = ("DRAM", "L1", "L1_SMALL", "TRACE")


def find_mark():
    """ttmem_mark of the preloaded library; without it, nothing happens at a mark."""
    try:
        mark = ctypes.CDLL(None).ttmem_mark
    except AttributeError:
        return lambda name: None
    mark.argtypes, mark.restype = [ctypes.c_char_p], None
    return lambda name: mark(name.encode())


def blocks(view):
    """Address, size, and whether it is allocated. None where the wheel cannot hand the table to Python, as 0.71 to 0.73."""
    try:
        table = view.block_table
    except TypeError:
        return None
    return [[int(block["address"]), int(block["size"]), block["allocated"]] for block in table]


class Truth:
    """Writes a JSON line a step: for each open mesh its chips, its memory views, and its allocator's own list."""

    def __init__(self, path):
        self.file = open(path, "w")
        self.mark = find_mark()
        self.number = 0

    def step(self, what, *meshes):
        self.number += 1
        name = f"step-{self.number:02} {what}"
        line = {"step": name, "meshes": [self.of_mesh(mesh) for mesh in meshes]}
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()
        self.mark(name)
        print(name, flush=True)

    def of_mesh(self, mesh):
        views = {}
        for memory in MEMORIES:
            view = ttnn.get_memory_view(mesh, getattr(ttnn.BufferType, memory))
            views[memory] = {
                "per_bank": view.total_bytes_allocated_per_bank,
                "banks": view.num_banks,
                "capacity": view.total_bytes_per_bank,
                "free": view.total_bytes_free_per_bank,
                "largest": view.largest_contiguous_bytes_free_per_bank,
                "blocks": blocks(view),
                "ttmem": memory_stats(mesh, memory),
            }
        buffers = [
            {"address": buffer.address, "memory": buffer.buffer_type.name, "per_bank": buffer.max_size_per_bank}
            for buffer in ttnn._ttnn.reports.get_buffers([mesh])
        ]
        return {"chips": list(mesh.get_device_ids()), "views": views, "buffers": buffers}
