"""Programs that end badly, or nearly.

    python ledger_endings.py TRUTH ended kill|abort|exit|return
    python ledger_endings.py TRUTH out-of-memory DRAM|L1
    python ledger_endings.py TRUTH clash

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


def ended(truth, how):
    mesh = open_mesh()
    kept = [tensor(mesh, (1, 1, 1024, 1024)), tensor(mesh, (1, 1, 64, 64), ttnn.L1_MEMORY_CONFIG)]
    kept.append(ttnn.add(kept[0], kept[0]))
    ttnn.deallocate(tensor(mesh, (1, 1, 512, 512)))
    truth.step("about to end", mesh)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "abort":
        os.abort()
    elif how == "exit":
        os._exit(3)


def what_it_says(error):
    """The type and the text, without the backtrace and the addresses in it."""
    text = re.sub(r"0x[0-9a-f]+", "0x...", str(error).partition("backtrace:")[0])
    return f"{type(error).__module__}.{type(error).__name__}: {text}"


def fill(mesh, shape, config):
    """Tensors until the allocator refuses one, and what it says then."""
    kept = []
    try:
        while True:
            kept.append(tensor(mesh, shape, config))
    except Exception as error:
        return kept, what_it_says(error)


def out_of_memory(truth, memory):
    mesh = open_mesh()
    # As many pages in each bank, of 8 or of 120: so bytes on a device are bytes a bank times banks.
    shape, config = {
        "DRAM": ((1, 1, 32 * 120, 1 << 17), ttnn.DRAM_MEMORY_CONFIG),
        "L1": ((1, 1, 32 * 120, 32 * 64), ttnn.L1_MEMORY_CONFIG),
    }[memory]
    kept, refusal = fill(mesh, shape, config)
    print(refusal)
    print("tensors", len(kept), flush=True)
    truth.step("refused", mesh)
    ttnn.deallocate(kept.pop())
    truth.step("one let go of", mesh)
    kept.append(tensor(mesh, shape, config))
    truth.step("and made again", mesh)
    ttnn.close_mesh_device(mesh)
    truth.step("closed")


def clash(truth):
    """L1 full of tensors down to where circular buffers begin: an op that needs some is refused."""
    mesh = open_mesh()
    source = tensor(mesh, (1, 1, 64, 64))
    kept = [ttnn.add(source, source)]
    truth.step("add", mesh)
    for tiles in (32, 1):
        more, _ = fill(mesh, (1, 1, 32 * 120, 32 * tiles), ttnn.L1_MEMORY_CONFIG)
        kept += more
    truth.step("full", mesh)
    try:
        ttnn.multiply(source, source)
    except Exception as error:
        print(what_it_says(error), flush=True)
    truth.step("clash", mesh)
    while len(kept) > 1:
        ttnn.deallocate(kept.pop())
    truth.step("room", mesh)
    ttnn.multiply(source, source)
    truth.step("multiply", mesh)
    mesh.disable_and_clear_program_cache()
    truth.step("cleared", mesh)
    ttnn.close_mesh_device(mesh)
    truth.step("closed")


if __name__ == "__main__":
    path, what, *rest = sys.argv[1:]
    {"ended": ended, "out-of-memory": out_of_memory, "clash": clash}[what](Truth(path), *rest)
