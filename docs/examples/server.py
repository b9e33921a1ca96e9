"""A toy server on a mesh of eight chips: each request takes a cache in DRAM and activations in L1. Every fourth cache stays.

    python server.py [SECONDS]      48 requests, at an even pace if the machine keeps up
"""

import os
import sys
import time

import ttnn

import ttmem

mesh = ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(2, 4))
seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4


def tensor(rows, columns, memory=ttnn.DRAM_MEMORY_CONFIG):
    shape = (1, 1, rows, columns)
    return ttnn.empty(shape, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=mesh, memory_config=memory)


def load_weights():
    return [tensor(4096, 4096) for _ in range(6)]


def attention(rows, cache):
    hidden = tensor(rows, 2048, ttnn.L1_MEMORY_CONFIG)
    return ttnn.add(hidden, hidden, memory_config=ttnn.L1_MEMORY_CONFIG)


weights = load_weights()
ttmem.mark("weights loaded")
caches, kept, l1 = [], [], []
began = time.monotonic()
requests = 48
for request in range(requests):
    with ttmem.region("request"):
        cache = tensor(1024 * (1 + request % 3), 4096)
        l1.append(attention(512 * (1 + request % 4), cache))
        (kept if request % 4 == 3 else caches).append(cache)
        if len(caches) > 3:
            ttnn.deallocate(caches.pop(0))
        if len(l1) > 2:
            ttnn.deallocate(l1.pop(0))
    ttmem.mark(f"request {request}")
    time.sleep(max(0, began + (request + 1) * seconds / requests - time.monotonic()))
print(f"{requests} requests done")
sys.stdout.flush()
os._exit(0)
