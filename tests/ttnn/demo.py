"""A toy model on a mesh of eight chips that keeps more than it should. See run_demo.py."""

import ctypes

import ttnn

LAYERS, STEPS = 4, 6


def mark(name):
    library = ctypes.CDLL(None)
    if hasattr(library, "ttmem_mark"):
        library.ttmem_mark(name.encode())


def weights(mesh):
    return ttnn.empty((1, 1, 512, 512), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=mesh)


def main():
    mesh = ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(2, 4))
    layers = [weights(mesh) for _ in range(LAYERS)]
    history = []
    mark("weights loaded")
    for step in range(STEPS):
        activation = weights(mesh)
        for layer in layers:
            activation = ttnn.relu(ttnn.matmul(activation, layer))
        # The leak: every step's output is kept "for later", and nobody ever looks at it.
        history.append(activation)
        mark(f"step {step}")
    # The weights are let go of; the mesh stays open until the process ends.
    for layer in layers:
        ttnn.deallocate(layer)
    print(f"{len(history)} steps done")
    import os

    os._exit(0)  # as a server does that is stopped: nothing is closed


if __name__ == "__main__":
    main()
