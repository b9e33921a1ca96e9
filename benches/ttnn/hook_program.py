"""Allocates and frees tensors on a mesh of mock devices, from lines of Python some frames deep.

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


def main():
    rows, columns, rounds = map(int, sys.argv[1:])
    mesh = ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(rows, columns))
    for _ in range(rounds):
        model(mesh)
    ttnn.close_mesh_device(mesh)


if __name__ == "__main__":
    main()
