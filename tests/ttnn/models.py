"""Two models as users write them, of random weights: VGG16 on images of 64 x 64, and GPT-2 of four layers. argv[1] is not used.

    python models.py TRUTH vgg16|gpt2

The weights and each step's answer are live at the end.
"""

import os
import sys

import numpy
import numpy_torch  # noqa: F401
import ttnn

SIDE, IMAGES = 64, 3
VGG16 = [64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 256, 256, 256, "pool", 256, 256, 256, "pool"]
CLASSES = 1000

VOCABULARY, POSITIONS, WIDTH, HEADS, LAYERS = 1024, 256, 256, 4, 4
TOKENS = 6

random = numpy.random.default_rng(0)


def weights(*shape):
    return random.standard_normal(shape, dtype=numpy.float32)


def parameter(device, *shape, layout=ttnn.TILE_LAYOUT):
    return ttnn.from_torch(weights(*shape), dtype=ttnn.bfloat16, layout=layout, device=device)


class Convolution:
    def __init__(self, device, inputs, outputs):
        self.device, self.inputs, self.outputs = device, inputs, outputs
        self.weight = ttnn.from_torch(weights(outputs, inputs, 3, 3), dtype=ttnn.bfloat16)
        self.bias = ttnn.from_torch(weights(1, 1, 1, outputs), dtype=ttnn.bfloat16)

    def __call__(self, x, side):
        x, (self.weight, self.bias) = ttnn.conv2d(
            input_tensor=x, weight_tensor=self.weight, bias_tensor=self.bias, device=self.device, batch_size=1,
            in_channels=self.inputs, out_channels=self.outputs, input_height=side, input_width=side,
            kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), return_weights_and_bias=True)
        return ttnn.relu(x)


class Vgg16:
    def __init__(self, device):
        self.layers, channels = [], 3
        for layer in VGG16:
            self.layers.append("pool" if layer == "pool" else Convolution(device, channels, layer))
            channels = channels if layer == "pool" else layer
        self.classifier = [
            (parameter(device, inputs, outputs), parameter(device, 1, outputs))
            for inputs, outputs in [(256 * (SIDE // 32) ** 2, 4096), (4096, 4096), (4096, CLASSES)]
        ]

    def __call__(self, x):
        side, channels = SIDE, 3
        for layer in self.layers:
            if layer == "pool":
                x = ttnn.max_pool2d(
                    input_tensor=x, batch_size=1, input_h=side, input_w=side, channels=channels, kernel_size=[2, 2],
                    stride=[2, 2], padding=[0, 0], dilation=[1, 1])
                x = ttnn.reallocate(x)
                side //= 2
            else:
                x, channels = layer(x, side), layer.outputs
        x = ttnn.to_memory_config(x, ttnn.DRAM_MEMORY_CONFIG)
        x = ttnn.to_layout(ttnn.reshape(x, (1, 1, 1, -1)), ttnn.TILE_LAYOUT)
        *hidden, (weight, bias) = self.classifier
        for each, its_bias in hidden:
            x = ttnn.linear(x, each, bias=its_bias, activation="relu")
        return ttnn.softmax(ttnn.linear(x, weight, bias=bias), dim=-1)


def vgg16(device):
    model = Vgg16(device)
    answers = []
    for _ in range(IMAGES):
        image = ttnn.from_torch(weights(1, 1, SIDE * SIDE, 3), dtype=ttnn.bfloat16)
        answers.append(model(ttnn.to_device(image, device)))
    return model, answers


class Block:
    def __init__(self, device):
        self.norms = [(parameter(device, WIDTH), parameter(device, WIDTH)) for _ in range(2)]
        shapes = [(WIDTH, 3 * WIDTH), (WIDTH, WIDTH), (WIDTH, 4 * WIDTH), (4 * WIDTH, WIDTH)]
        self.layers = [(parameter(device, *shape), parameter(device, 1, shape[1])) for shape in shapes]

    def __call__(self, x):
        (qkv, out, up, down), (before, behind) = self.layers, self.norms
        normal = ttnn.layer_norm(x, weight=before[0], bias=before[1])
        fused = ttnn.linear(normal, qkv[0], bias=qkv[1])
        query, key, value = ttnn.transformer.split_query_key_value_and_split_heads(fused, num_heads=HEADS)
        scores = ttnn.softmax(ttnn.matmul(query, key) * (WIDTH // HEADS) ** -0.5, dim=-1)
        attention = ttnn.transformer.concatenate_heads(ttnn.matmul(scores, value))
        x = x + ttnn.linear(attention, out[0], bias=out[1])
        normal = ttnn.layer_norm(x, weight=behind[0], bias=behind[1])
        return x + ttnn.linear(ttnn.gelu(ttnn.linear(normal, up[0], bias=up[1])), down[0], bias=down[1])


class Gpt2:
    def __init__(self, device):
        self.tokens = parameter(device, VOCABULARY, WIDTH, layout=ttnn.ROW_MAJOR_LAYOUT)
        self.positions = parameter(device, POSITIONS, WIDTH, layout=ttnn.ROW_MAJOR_LAYOUT)
        self.blocks = [Block(device) for _ in range(LAYERS)]
        self.norm = parameter(device, WIDTH), parameter(device, WIDTH)
        self.head = parameter(device, WIDTH, VOCABULARY)

    def __call__(self, ids, positions):
        x = ttnn.embedding(ids, self.tokens, layout=ttnn.TILE_LAYOUT)
        x = x + ttnn.embedding(positions, self.positions, layout=ttnn.TILE_LAYOUT)
        for block in self.blocks:
            x = block(x)
        x = ttnn.layer_norm(x, weight=self.norm[0], bias=self.norm[1])
        return ttnn.linear(x, self.head)


def gpt2(device):
    model = Gpt2(device)
    answers = []
    for step in range(TOKENS):
        length = 32 * (step + 1)
        ids, positions = (
            ttnn.from_torch(numbers.reshape(1, length), dtype=ttnn.uint32, device=device)
            for numbers in (numpy.ones(length, dtype=numpy.int32), numpy.arange(length, dtype=numpy.int32)))
        logits = model(ids, positions)
        answers.append(ttnn.argmax(ttnn.to_layout(logits, ttnn.ROW_MAJOR_LAYOUT), dim=-1))
    return model, answers


device = ttnn.open_device(device_id=0, l1_small_size=32768)
kept = {"vgg16": vgg16, "gpt2": gpt2}[sys.argv[2]](device)
os._exit(0)
