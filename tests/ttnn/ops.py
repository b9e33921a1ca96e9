"""Many operations, each on a line of its own beside its name; their results are kept. argv[1] is not used."""

import os

import numpy
import numpy_torch  # noqa: F401
import ttnn

device = ttnn.open_device(device_id=0, l1_small_size=32768)
BF16, TILE, ROWS = ttnn.bfloat16, ttnn.TILE_LAYOUT, ttnn.ROW_MAJOR_LAYOUT


def tensor(*shape, layout=TILE, dtype=BF16, memory=ttnn.DRAM_MEMORY_CONFIG):
    return ttnn.empty(shape, dtype=dtype, layout=layout, device=device, memory_config=memory)


def on_host(*shape):
    return ttnn.Tensor(numpy.zeros(shape, dtype=numpy.float32), BF16)


def heads():
    return tensor(1, 4, 64, 64)


def image(channels):
    return tensor(1, 1, 32 * 32, channels, layout=ROWS)


x, y, wide, large = (tensor(1, 1, 64, columns) for columns in (64, 64, 128, 256))
rows = tensor(1, 1, 64, 64, layout=ROWS)
in_l1 = tensor(1, 1, 64, 64, memory=ttnn.L1_MEMORY_CONFIG)
ids, table = tensor(1, 32, layout=ROWS, dtype=ttnn.uint32), tensor(1, 1, 512, 64, layout=ROWS)
array = numpy.zeros((1, 1, 64, 64), dtype=numpy.float32)
place = dict(dtype=BF16, layout=TILE, device=device)
conv = dict(in_channels=16, out_channels=32, device=device, batch_size=1)
square = dict(input_height=32, input_width=32, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
pool = dict(batch_size=1, input_h=32, input_w=32, channels=32)
window = dict(kernel_size=[2, 2], stride=[2, 2], padding=[0, 0])

OPERATIONS = [
    ("ttnn.from_torch", lambda: ttnn.from_torch(array, **place)),
    ("ttnn.Tensor", lambda: ttnn.Tensor(array, BF16, device, TILE, ttnn.DRAM_MEMORY_CONFIG)),
    ("ttnn.Tensor.to", lambda: on_host(1, 1, 64, 64).to(device)),
    ("ttnn.to_device", lambda: ttnn.to_device(on_host(1, 1, 64, 64), device)),
    ("ttnn.to_layout", lambda: ttnn.to_layout(rows, TILE)),
    ("ttnn.to_memory_config", lambda: ttnn.to_memory_config(x, ttnn.L1_MEMORY_CONFIG)),
    ("ttnn.reallocate", lambda: ttnn.reallocate(in_l1)),
    ("ttnn.empty", lambda: ttnn.empty((1, 1, 64, 64), **place)),
    ("ttnn.zeros", lambda: ttnn.zeros((1, 1, 64, 64), **place)),
    ("ttnn.ones", lambda: ttnn.ones((1, 1, 64, 64), **place)),
    ("ttnn.full", lambda: ttnn.full((1, 1, 64, 64), 3.0, **place)),
    ("ttnn.zeros_like", lambda: ttnn.zeros_like(x)),
    ("ttnn.arange", lambda: ttnn.arange(0, 64, 1, device=device)),
    ("ttnn.add", lambda: x + y),
    ("ttnn.add", lambda: ttnn.add(x, y)),
    ("ttnn.subtract", lambda: ttnn.subtract(x, y)),
    ("ttnn.multiply", lambda: ttnn.multiply(x, 2.0)),
    ("ttnn.div", lambda: ttnn.div(x, y)),
    ("ttnn.relu", lambda: ttnn.relu(x)),
    ("ttnn.gelu", lambda: ttnn.gelu(x)),
    ("ttnn.silu", lambda: ttnn.silu(x)),
    ("ttnn.exp", lambda: ttnn.exp(x)),
    ("ttnn.pow", lambda: ttnn.pow(x, 2.0)),
    ("ttnn.clamp", lambda: ttnn.clamp(x, 0.0, 1.0)),
    ("ttnn.where", lambda: ttnn.where(x, y, y)),
    ("ttnn.gt", lambda: ttnn.gt(x, y)),
    ("ttnn.typecast", lambda: ttnn.typecast(x, ttnn.float32)),
    ("ttnn.matmul", lambda: x @ wide),
    ("ttnn.linear", lambda: ttnn.linear(x, wide)),
    ("ttnn.addmm", lambda: ttnn.addmm(wide, x, wide)),
    ("ttnn.softmax", lambda: ttnn.softmax(x, dim=-1)),
    ("ttnn.layer_norm", lambda: ttnn.layer_norm(x)),
    ("ttnn.rms_norm", lambda: ttnn.rms_norm(x)),
    ("ttnn.sum", lambda: ttnn.sum(x, dim=-1)),
    ("ttnn.mean", lambda: ttnn.mean(x, dim=-1)),
    ("ttnn.argmax", lambda: ttnn.argmax(rows, dim=-1)),
    ("ttnn.topk", lambda: ttnn.topk(x, 32)),
    ("ttnn.embedding", lambda: ttnn.embedding(ids, table)),
    ("ttnn.reshape", lambda: ttnn.reshape(large, (1, 1, 256, 64))),
    ("ttnn.transpose", lambda: ttnn.transpose(large, -2, -1)),
    ("ttnn.permute", lambda: ttnn.permute(heads(), (0, 2, 1, 3))),
    ("ttnn.concat", lambda: ttnn.concat([x, y], dim=-1)),
    ("ttnn.slice", lambda: ttnn.slice(large, (0, 0, 0, 0), (1, 1, 64, 64))),
    ("ttnn.Tensor.__getitem__", lambda: large[:, :, :, :64]),
    ("ttnn.pad", lambda: ttnn.pad(rows, ((0, 0), (0, 0), (0, 32), (0, 32)), 0.0)),
    ("ttnn.repeat", lambda: ttnn.repeat(x, (1, 2, 1, 1))),
    ("ttnn.split", lambda: ttnn.split(large, 128, dim=-1)),
    ("ttnn.conv2d", lambda: ttnn.conv2d(
        input_tensor=image(16), weight_tensor=on_host(32, 16, 3, 3), **square, **conv)),
    ("ttnn.conv1d", lambda: ttnn.conv1d(
        input_tensor=tensor(1, 1, 64, 16, layout=ROWS), weight_tensor=on_host(32, 16, 3), kernel_size=3, stride=1,
        padding=1, input_length=64, **conv)),
    ("ttnn.max_pool2d", lambda: ttnn.max_pool2d(input_tensor=image(32), dilation=[1, 1], **pool, **window)),
    ("ttnn.avg_pool2d", lambda: ttnn.avg_pool2d(input_tensor=image(32), **pool, **window)),
    ("ttnn.upsample", lambda: ttnn.upsample(tensor(1, 16, 16, 32, layout=ROWS), 2)),
    ("ttnn.transformer.scaled_dot_product_attention", lambda: ttnn.transformer.scaled_dot_product_attention(
        heads(), heads(), heads(), is_causal=True)),
    ("ttnn.transformer.concatenate_heads", lambda: ttnn.transformer.concatenate_heads(heads())),
    ("ttnn.experimental.rotary_embedding", lambda: ttnn.experimental.rotary_embedding(x, y, y)),
]

results = []
for name, operation in OPERATIONS:
    print(name, operation.__code__.co_firstlineno, flush=True)
    results.append(operation())
os._exit(0)
