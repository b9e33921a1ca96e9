"""L1 on service cores and in a persistent arena, which tt-metal hands out past its allocators; prints what it says of it.

    python past_allocators.py LIBRARY
"""

import ctypes
import sys

import ttnn
from truth import find_mark

STEPS = ["service cores", "some are given back", "a pipe", "the pipe is gone"]


def pointer(bound):
    """The C++ object of a nanobind one: behind the head of the object stand an offset, and flags."""
    offset, flags = (ctypes.c_int32.from_address(id(bound) + at).value for at in (16, 20))
    at = id(bound) + offset
    return at if flags >> 2 & 1 else ctypes.c_void_p.from_address(at).value


def main():
    call = ctypes.CDLL(sys.argv[1]).past_allocators
    call.argtypes = [ctypes.c_void_p, ctypes.c_int]
    mark = find_mark()
    mesh = ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(1, 1))
    tensor = ttnn.empty((1, 1, 32, 32), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=mesh,
                        memory_config=ttnn.L1_MEMORY_CONFIG)
    for step, name in enumerate(STEPS):
        print("step", name, flush=True)
        call(pointer(mesh), step)
        mark(name)
    ttnn.deallocate(tensor)
    ttnn.close_mesh_device(mesh)


if __name__ == "__main__":
    main()
