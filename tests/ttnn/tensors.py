"""Tensors of many kinds; prints a line of JSON for each: where it lies, and what ttnn says of it."""

import json
import os

import ttnn

mesh = ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(2, 4))
kept = []


def tensor(shape, dtype, layout=ttnn.TILE_LAYOUT, memory=ttnn.DRAM_MEMORY_CONFIG):
    kept.append(ttnn.empty(shape, dtype=dtype, layout=layout, device=mesh, memory_config=memory))
    return kept[-1]


square = tensor((1, 1, 1024, 1024), ttnn.bfloat16)
tensor((3, 40), ttnn.float32, memory=ttnn.L1_MEMORY_CONFIG)
tensor((7,), ttnn.uint32, layout=ttnn.ROW_MAJOR_LAYOUT)
tensor((2, 3, 64, 96), ttnn.bfloat8_b)
tensor((1, 1, 1, 2, 3, 33), ttnn.bfloat4_b)
tensor((5, 6, 7), ttnn.int32)
for strategy in (ttnn.ShardStrategy.HEIGHT, ttnn.ShardStrategy.WIDTH, ttnn.ShardStrategy.BLOCK):
    config = ttnn.create_sharded_memory_config((1, 1, 256, 256), core_grid=ttnn.CoreGrid(y=2, x=4), strategy=strategy)
    tensor((1, 1, 256, 256), ttnn.bfloat16, memory=config)
kept.append(ttnn.add(square, square))

for one in kept:
    config = one.memory_config()
    shard = config.shard_spec
    print(json.dumps({
        "address": one.buffer_address(),
        "shape": list(one.shape),
        "padded_shape": list(one.padded_shape),
        "dtype": one.dtype.name,
        "layout": one.layout.name,
        "memory_layout": config.memory_layout.name,
        "shard_shape": list(shard.shape) if shard else None,
    }))
# A view lies where its tensor lies, and is not what that was made for.
view = ttnn.reshape(square, (1, 1024, 1024))
assert view.buffer_address() == square.buffer_address()
os._exit(0)
