"""DRAM with gaps, then full; a request that finds bytes enough and no block. Says at each step what ttnn says.

    python fragmentation.py TRUTH

The comments in capitals mark lines.
"""

import os
import sys

import ttnn
from truth import Truth

MIB = 1 << 20
truth = Truth(sys.argv[1])
mesh = ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(1, 1), l1_small_size=16384)


def tensor(mib, memory=ttnn.DRAM_MEMORY_CONFIG):
    shape = (1, 1, 1024 * mib // 2, 1024)
    return ttnn.empty(shape, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=mesh, memory_config=memory)


# L1 of a chip has some 150 MiB: 4 MiB tensors and between them small ones.
large, small = [], []
for number in range(64):
    try:
        large.append(tensor(4, ttnn.L1_MEMORY_CONFIG))  # LARGE
        small.append(tensor(2, ttnn.L1_MEMORY_CONFIG))  # SMALL
    except RuntimeError:
        break
truth.step("full", mesh)
for each in large[::2]:
    ttnn.deallocate(each)
truth.step("gaps", mesh)
try:
    tensor(24, ttnn.L1_MEMORY_CONFIG)  # REFUSED
except RuntimeError as error:
    print("refused:", "Out of Memory" in str(error))
truth.step("refused", mesh)
kept = [tensor(mib) for mib in (2, 4, 6, 8)]
ttnn.deallocate(kept[1])
truth.step("DRAM", mesh)
os._exit(0)
