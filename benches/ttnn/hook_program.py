"""Allocates and frees tensors on a mesh of mock devices, from lines of Python some frames deep; places the dataflow buffers and
scratchpads of some programs anew in each round.

    python hook_program.py ROWS COLUMNS ROUNDS
"""

import sys

import ttnn


def one(mesh, number):
    return ttnn.empty((1, 1, 32, 32 * (1 + number)), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=mesh)


def layer(mesh, number):
    a = one(mesh, number)
    b = one(mesh, number)
    c = ttnn.add(a, b)
    for tensor in (a, b, c):
        ttnn.deallocate(tensor)


def model(mesh):
    for number in range(8):
        layer(mesh, number)


def programs(mesh, operand):
    """Each has dataflow buffers, from two to some ten. What is compiled once is compiled for good."""
    mesh.clear_program_cache()
    for _ in (ttnn.relu(operand), ttnn.matmul(operand, operand), ttnn.softmax(operand), ttnn.layer_norm(operand)):
        pass


def main():
    rows, columns, rounds = map(int, sys.argv[1:])
    mesh = ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(rows, columns))
    operand = ttnn.empty((1, 1, 256, 256), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=mesh)
    for _ in range(rounds):
        model(mesh)
        programs(mesh, operand)
    ttnn.deallocate(operand)
    ttnn.close_mesh_device(mesh)


if __name__ == "__main__":
    main()
