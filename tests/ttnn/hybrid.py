"""Tensors with an address of their own on each core (TT_METAL_ALLOCATOR_MODE_HYBRID=1), beside one that has one address; prints at each
step where their parts lie, by what ttnn says of each tensor, and what is refused.

    python hybrid.py
"""

import json

import ttnn
from truth import find_mark

MARK = find_mark()
BYTES_A_ROW = 32


def tensor(mesh, first_core, cores=1, rows=32, per_core=True):
    grid = ttnn.CoreRange(ttnn.CoreCoord(first_core, 0), ttnn.CoreCoord(first_core + cores - 1, 0))
    shards = ttnn.ShardSpec(ttnn.CoreRangeSet({grid}), (rows, 16), ttnn.ShardOrientation.ROW_MAJOR)
    config = ttnn.MemoryConfig(ttnn.TensorMemoryLayout.HEIGHT_SHARDED, ttnn.BufferType.L1, shards)
    if per_core:
        config.experimental_set_per_core_allocation(True)
    made = ttnn.empty(
        (1, 1, rows * cores, 16), dtype=ttnn.bfloat16, layout=ttnn.ROW_MAJOR_LAYOUT, device=mesh, memory_config=config
    )
    return made, range(first_core, first_core + cores), rows * BYTES_A_ROW


def parts(made, cores, bytes_a_core):
    """Device, core ("" where all cores have the same address), address, bytes."""
    for device, place in enumerate(made.device_coords()):
        if not made.is_per_core_allocated():
            yield device, "", made.buffer_address(), bytes_a_core * len(cores)
            continue
        for x in cores:
            yield device, f"{x}-0", made.experimental_per_core_buffer_address(place, ttnn.CoreCoord(x, 0)), bytes_a_core


def step(name, tensors):
    print(json.dumps([name, sorted(part for tensor in tensors for part in parts(*tensor))]), flush=True)
    MARK(name)


def main():
    mesh = ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(2, 4))
    tensors = [tensor(mesh, 3, per_core=False)]
    step("plain", tensors)
    try:
        tensors += [tensor(mesh, 0), tensor(mesh, 1)]
        step("two at one address", tensors)
        tensors += [tensor(mesh, 0, cores=3, rows=64), tensor(mesh, 2)]
        step("five", tensors)
        ttnn.deallocate(tensors.pop(1)[0])
        step("one is free", tensors)
        tensors.append(tensor(mesh, 0))
        step("and made again", tensors)
    except RuntimeError as error:
        print(json.dumps(["refused", str(error).partition("info:")[2].strip().splitlines()[0]]), flush=True)
    while tensors:
        ttnn.deallocate(tensors.pop()[0])
    step("all are free", tensors)
    ttnn.close_mesh_device(mesh)


if __name__ == "__main__":
    main()
