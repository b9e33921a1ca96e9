"""A model of twenty layers with a leak in one of three forms, or with what looks like it and is none; it runs to its end.

    python leaking_model.py TRUTH list|shapes|unclosed|bounded-list|few-shapes|closed

The comments in capitals mark the lines that a report must name. What the truth would be is not used.
"""

import sys

import ttnn
from truth import find_mark

LAYERS = 20
STEPS = 24
FEW = 4


def tensor(device, rows, columns):
    return ttnn.empty((1, 1, rows, columns), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device)  # TENSOR


class Layer:
    def __init__(self, device):
        self.weight = tensor(device, 64, 64)  # WEIGHT

    def forward(self, x):
        return ttnn.relu(ttnn.add(x, x))  # RELU


class Model:
    def __init__(self, device):
        self.layers = [Layer(device) for _ in range(LAYERS)]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)  # LAYERS
        return x


history = []
masks = {}


def mask_of(device, rows):
    """Made once for each shape."""
    if rows not in masks:
        masks[rows] = tensor(device, rows, 256)  # MASK
    return masks[rows]


def main(form):
    mark = find_mark()
    device = ttnn.open_device(device_id=0)
    model = Model(device)
    for step in range(STEPS):
        x = tensor(device, 128, 128)
        if form == "shapes":
            mask_of(device, 64 * (1 + step))
        if form == "few-shapes":
            mask_of(device, 64 * (1 + step % FEW))
        x = model.forward(x)
        if form in ("list", "bounded-list"):
            history.append(x)
        if form == "bounded-list":
            del history[:-FEW]
        del x
        mark(f"step {step}")
    if form == "unclosed":
        globals()["kept"] = model
        return
    if form in ("bounded-list", "few-shapes"):
        history.clear()
        masks.clear()
    del model
    ttnn.close_device(device)


main(sys.argv[2])
