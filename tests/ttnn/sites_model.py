"""A model of twenty layers that keeps what it should not. argv[1] is where the truth would go; not used.

The comments in capitals mark lines that the test looks for.
"""

import os

import ttnn

LAYERS = 20
STEPS = 3


def tensor(device, size):
    return ttnn.empty((1, 1, size, size), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)  # TENSOR


class Layer:
    def __init__(self, device):
        self.weight = tensor(device, 64)  # WEIGHT

    def forward(self, x):
        doubled = ttnn.add(x, x)  # ADD
        return ttnn.relu(doubled)  # RELU


class Model:
    def __init__(self, device):
        self.layers = [Layer(device) for _ in range(LAYERS)]
        self.history = []

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
            self.history.append(x)  # the leak
        return x


def main():
    device = ttnn.open_device(device_id=0)
    model = Model(device)
    for _ in range(STEPS):
        model.forward(tensor(device, 128))  # INPUT
    os._exit(0)


main()
