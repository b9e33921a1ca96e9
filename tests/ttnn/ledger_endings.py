"""Programs that end badly, or nearly.

    python ledger_endings.py TRUTH killed
    python ledger_endings.py TRUTH out-of-memory DRAM|L1

Says at each step what ttnn says; what it prints is the same with ttmem and without.
"""

import os
import re
import signal
import sys

import ttnn
from truth import Truth


def tensor(mesh, shape, memory=ttnn.DRAM_MEMORY_CONFIG):
    return ttnn.empty(shape, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=mesh, memory_config=memory)


def open_mesh():
    return ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(2, 4))


def killed(truth):
    mesh = open_mesh()
    kept = [tensor(mesh, (1, 1, 1024, 1024)), tensor(mesh, (1, 1, 64, 64), ttnn.L1_MEMORY_CONFIG)]
    kept.append(ttnn.add(kept[0], kept[0]))
    ttnn.deallocate(tensor(mesh, (1, 1, 512, 512)))
    truth.step("about to be killed", mesh)
    os.kill(os.getpid(), signal.SIGKILL)


def what_it_says(error):
    """The type and the text, without the backtrace and the addresses in it."""
    text = re.sub(r"0x[0-9a-f]+", "0x...", str(error).partition("backtrace:")[0])
    return f"{type(error).__module__}.{type(error).__name__}: {text}"


def out_of_memory(truth, memory):
    mesh = open_mesh()
    # A page for each bank and no rest, whether there are 8, 12 or 120 banks: bytes on a device are bytes a bank times banks.
    shape, config = {
        "DRAM": ((1, 1, 32 * 120, 1 << 17), ttnn.DRAM_MEMORY_CONFIG),
        "L1": ((1, 1, 32 * 120, 32 * 64), ttnn.L1_MEMORY_CONFIG),
    }[memory]
    kept = []
    try:
        while True:
            kept.append(tensor(mesh, shape, config))
    except Exception as error:
        print(what_it_says(error))
    print("tensors", len(kept), flush=True)
    truth.step("refused", mesh)
    ttnn.deallocate(kept.pop())
    truth.step("one let go of", mesh)
    kept.append(tensor(mesh, shape, config))
    truth.step("and made again", mesh)
    ttnn.close_mesh_device(mesh)
    truth.step("closed")


if __name__ == "__main__":
    path, what, *rest = sys.argv[1:]
    {"killed": killed, "out-of-memory": out_of_memory}[what](Truth(path), *rest)
