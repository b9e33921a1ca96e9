"""Row-major tensors with pages that no allocator hands out as they are.

    python small_pages.py TRUTH DRAM|L1
"""

import sys

import ttnn
from truth import Truth

truth = Truth(sys.argv[1])
config = {"DRAM": ttnn.DRAM_MEMORY_CONFIG, "L1": ttnn.L1_MEMORY_CONFIG}[sys.argv[2]]
mesh = ttnn.open_device(device_id=0)
kept = []
for width in (2, 8, 16, 24, 32, 40):
    kept.append(ttnn.empty((1, 1, 1, width), ttnn.bfloat16, ttnn.ROW_MAJOR_LAYOUT, mesh, config))
    truth.step(f"page of {width * 2} bytes", mesh)
ttnn.close_device(mesh)
truth.step("closed")
