"""Requests that tt-metal refuses, each for another reason; prints what it says. The first device has no L1_SMALL and no trace
region, so these memories have no banks at all; the second has some of each."""

import ttnn

mesh = ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(2, 4))
CORES = ttnn.CoreRangeSet({ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(1, 0))})


def ask(what, shape, layout, buffer_type, *shards):
    config = ttnn.MemoryConfig(layout, buffer_type, *shards)
    try:
        ttnn.empty(shape, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=mesh, memory_config=config)
    except RuntimeError as error:
        message = str(error).partition("info:")[2].strip().splitlines()[0]
        print(what, "->", type(error).__name__, message)
    else:
        print(what, "-> granted")


INTERLEAVED, SHARDED = ttnn.TensorMemoryLayout.INTERLEAVED, ttnn.TensorMemoryLayout.HEIGHT_SHARDED
shards = ttnn.ShardSpec(CORES, (32, 32), ttnn.ShardOrientation.ROW_MAJOR)
ask("interleaved L1_SMALL", (1, 1, 32, 32), INTERLEAVED, ttnn.BufferType.L1_SMALL)
ask("sharded L1_SMALL", (1, 1, 64, 32), SHARDED, ttnn.BufferType.L1_SMALL, shards)
ask("TRACE", (1, 1, 32, 32), INTERLEAVED, ttnn.BufferType.TRACE)
ask("too much L1", (1, 1, 16384, 16384), INTERLEAVED, ttnn.BufferType.L1)
ask("some L1", (1, 1, 32, 32), INTERLEAVED, ttnn.BufferType.L1)
ttnn.close_mesh_device(mesh)
mesh = ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(2, 4), trace_region_size=65536, l1_small_size=16384)
many = ttnn.ShardSpec(CORES, (1024, 2048), ttnn.ShardOrientation.ROW_MAJOR)
ask("too much TRACE", (1, 1, 2048, 2048), INTERLEAVED, ttnn.BufferType.TRACE)
ask("too much L1_SMALL", (1, 1, 2048, 2048), SHARDED, ttnn.BufferType.L1_SMALL, many)
ttnn.close_mesh_device(mesh)
