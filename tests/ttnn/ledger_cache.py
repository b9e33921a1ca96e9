"""What ops leave behind in the program cache: buffers, and circular buffers.

    python ledger_cache.py TRUTH buffers
    python ledger_cache.py TRUTH circular-buffers
    python ledger_cache.py TRUTH submesh

Says at each step what ttnn says.
"""

import os
import sys

import ttnn
from truth import Truth

ROW_MAJOR = ttnn.ROW_MAJOR_LAYOUT


def tensor(mesh, shape=(1, 1, 64, 64), layout=ttnn.TILE_LAYOUT):
    return ttnn.empty(shape, dtype=ttnn.bfloat16, layout=layout, device=mesh)


def open_mesh():
    return ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(2, 4), l1_small_size=32768)


def buffers(truth):
    """sum and reshape keep a table in DRAM with their cached programs. Four times, the last without a clear."""
    for time in range(1, 5):
        mesh = open_mesh()
        truth.step(f"open {time}", mesh)
        source = tensor(mesh)
        for again in ("first", "again"):
            results = ttnn.sum(source, dim=-1), ttnn.reshape(source, (1, 1, 32, 128)), ttnn.add(source, source)
            truth.step(f"results {time} {again}", mesh)
            for each in results:
                ttnn.deallocate(each)
            truth.step(f"source {time} {again}", mesh)
        ttnn.deallocate(source)
        truth.step(f"cache {time}", mesh)
        if time < 4:
            mesh.disable_and_clear_program_cache()
            truth.step(f"cleared {time}", mesh)
        ttnn.close_mesh_device(mesh)
        truth.step(f"closed {time}")


def height_sharded(cores):
    grid = ttnn.CoreRangeSet({ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(cores - 1, 0))})
    spec = ttnn.ShardSpec(grid, (32, 64), ttnn.ShardOrientation.ROW_MAJOR)
    return ttnn.MemoryConfig(ttnn.TensorMemoryLayout.HEIGHT_SHARDED, ttnn.BufferType.L1, spec)


def max_pool(source):
    window = {"kernel_size": [2, 2], "stride": [2, 2], "padding": [0, 0], "dilation": [1, 1]}
    return ttnn.max_pool2d(input_tensor=source, batch_size=1, input_h=16, input_w=16, channels=32, **window)


def circular_buffers(truth):
    mesh = open_mesh()
    a, b, wide, tall = tensor(mesh), tensor(mesh), tensor(mesh, (1, 1, 64, 640)), tensor(mesh, (1, 1, 128, 64))
    image = tensor(mesh, (1, 1, 256, 32), ROW_MAJOR)
    ops = {
        "add": lambda: ttnn.add(a, b),
        "add into L1": lambda: ttnn.add(a, b, memory_config=ttnn.L1_MEMORY_CONFIG),
        "multiply": lambda: ttnn.multiply(a, b),
        "matmul": lambda: ttnn.matmul(a, b),
        "relu": lambda: ttnn.relu(a),
        "gelu": lambda: ttnn.gelu(a),
        "softmax": lambda: ttnn.softmax(a, dim=-1),
        "typecast": lambda: ttnn.typecast(a, ttnn.float32),
        "to_memory_config": lambda: ttnn.to_memory_config(tall, height_sharded(4)),
        "transpose": lambda: ttnn.transpose(a, -1, -2),
        "concat": lambda: ttnn.concat([a, b], dim=-1),
        "to_layout": lambda: ttnn.to_layout(wide, ROW_MAJOR),
        "copy": lambda: ttnn.copy(a, b),
        "repeat": lambda: ttnn.repeat(a, [1, 1, 2, 1]),
        "where": lambda: ttnn.where(a, b, b),
        "rand": lambda: ttnn.rand((1, 1, 64, 64), device=mesh, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT),
        # Last: of the tables that it leaves in L1_SMALL, ttnn and ttmem count the bytes a bank in different ways.
        "max_pool2d": lambda: max_pool(image),
    }
    truth.step("start", mesh)
    for name, op in ops.items():
        # Everything an op returns dies at once: what stays is the cache's.
        op()
        truth.step(f"{name}, placed", mesh)
        op()
        truth.step(f"{name}, from the cache", mesh)
    mesh.disable_and_clear_program_cache()
    truth.step("cleared", mesh)
    ttnn.close_mesh_device(mesh)
    truth.step("closed")


def in_submesh(truth):
    """A mesh and a submesh have a program cache each."""
    mesh = open_mesh()
    submesh = mesh.create_submesh(ttnn.MeshShape(1, 2))
    on_mesh, on_submesh = tensor(mesh), tensor(submesh)
    ttnn.add(on_mesh, on_mesh)
    truth.step("op on the mesh", mesh, submesh)
    ttnn.multiply(on_submesh, on_submesh)
    truth.step("op on the submesh", mesh, submesh)
    submesh.disable_and_clear_program_cache()
    truth.step("cleared in the submesh", mesh, submesh)
    mesh.disable_and_clear_program_cache()
    truth.step("cleared in the mesh", mesh, submesh)
    # Once both have run an op, neither can be closed first: tt-metal throws from a destructor.
    os._exit(0)


if __name__ == "__main__":
    what = {"buffers": buffers, "circular-buffers": circular_buffers, "submesh": in_submesh}
    what[sys.argv[2]](Truth(sys.argv[1]))
