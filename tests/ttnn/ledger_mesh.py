"""Tensors sharded over both axes of a 2x4 mesh, a sum and a product of them, then everything let go of one by one.

    python ledger_mesh.py TRUTH ITERATIONS

Says at each step what ttnn says. With more than one iteration the same happens again on the same mesh.
"""

import sys

import numpy
import ttnn
from truth import Truth

ROWS, COLUMNS = 2, 4


def sharded(mesh, shape):
    """A bfloat16 tensor from the host, dimensions 0 and 1 split over the rows and columns of the mesh."""
    mapper = ttnn.ShardTensor2dMesh(mesh, mesh_shape=(ROWS, COLUMNS), dims=(0, 1))
    values = numpy.zeros(shape, dtype=numpy.float32)
    # ttnn.from_torch wants torch; this constructor takes what speaks DLPack. Without a device: with one, float32 rows
    # would be sent and be turned into tiles and bfloat16 there, with memory of their own for a while.
    on_host = ttnn.Tensor(values, ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, mesh_mapper=mapper)
    return ttnn.to_device(on_host, mesh)


def body(truth, mesh):
    a = sharded(mesh, (8, 8, 512, 512))
    truth.step("a", mesh)
    b = sharded(mesh, (8, 8, 512, 512))
    truth.step("a b", mesh)
    total = ttnn.add(a, b)
    truth.step("a b sum", mesh)
    left = sharded(mesh, (8, 8, 256, 128))
    right = sharded(mesh, (8, 8, 128, 256))
    truth.step("a b sum left right", mesh)
    product = ttnn.matmul(left, right)
    truth.step("a b sum left right product", mesh)
    held = {"a": a, "b": b, "sum": total, "left": left, "right": right, "product": product}
    while held:
        ttnn.deallocate(held.pop(next(iter(held))))
        truth.step(" ".join(held) or "nothing", mesh)


def main(path, iterations):
    truth = Truth(path)
    mesh = ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(ROWS, COLUMNS))
    truth.step("open", mesh)
    for number in range(1, iterations + 1):
        body(truth, mesh)
        truth.step(f"iteration {number}", mesh)
    mesh.disable_and_clear_program_cache()
    truth.step("program cache cleared", mesh)
    ttnn.close_mesh_device(mesh)
    truth.step("closed")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
