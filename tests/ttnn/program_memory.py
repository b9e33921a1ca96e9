"""Runs operations one by one, each for real and then in a capture without dispatch, whose sizes are exact.

    python program_memory.py TRUTH SET ROWS COLUMNS

Writes a JSON line an operation: what the capture has of its programs. A mark stands before each real run, and one at the end.
"""

import json
import os
import sys

import numpy
import ttnn
from truth import find_mark

graph = ttnn._ttnn.graph
shape = ttnn.MeshShape(*map(int, sys.argv[3:5]))
device = ttnn.open_mesh_device(mesh_shape=shape, l1_small_size=32768)
mark = find_mark()
BF16, TILE, ROWS = ttnn.bfloat16, ttnn.TILE_LAYOUT, ttnn.ROW_MAJOR_LAYOUT
DRAM, L1 = ttnn.DRAM_MEMORY_CONFIG, ttnn.L1_MEMORY_CONFIG
KINDS = {"circular_buffer_allocate": "CB", "dataflow_buffer_allocate": "DFB", "scratchpad_allocate": "SCRATCHPAD"}


def tensor(*shape, layout=TILE, dtype=BF16, memory=DRAM):
    return ttnn.empty(shape, dtype=dtype, layout=layout, device=device, memory_config=memory)


def on_host(*shape):
    return ttnn.Tensor(numpy.zeros(shape, dtype=numpy.float32), BF16)


def sharded(shape, rows, columns, strategy):
    grid = ttnn.CoreGrid(y=rows, x=columns)
    return ttnn.create_sharded_memory_config(shape, grid, strategy, ttnn.ShardOrientation.ROW_MAJOR)


def heads(count=4, rows=64):
    return tensor(1, count, rows, 64)


def image(channels):
    return tensor(1, 1, 32 * 32, channels, layout=ROWS)


HEIGHT = sharded((1, 1, 256, 64), 4, 2, ttnn.ShardStrategy.HEIGHT)
WIDTH = sharded((1, 1, 32, 512), 1, 8, ttnn.ShardStrategy.WIDTH)
BLOCK = sharded((1, 1, 256, 256), 4, 4, ttnn.ShardStrategy.BLOCK)
x, y, wide, large = (tensor(1, 1, 64, columns) for columns in (64, 64, 128, 256))
square = tensor(1, 1, 512, 512)
batch = tensor(4, 1, 64, 64)
rows = tensor(1, 1, 64, 64, layout=ROWS)
in_l1 = tensor(1, 1, 256, 256, memory=L1)
tall, flat, block = (tensor(*shape, memory=memory) for shape, memory in (
    ((1, 1, 256, 64), HEIGHT), ((1, 1, 32, 512), WIDTH), ((1, 1, 256, 256), BLOCK)))
weight = tensor(1, 1, 64, 64)
scale, scale_of_large = tensor(1, 1, 1, 64), tensor(1, 1, 1, 256)
ids, table = tensor(1, 32, layout=ROWS, dtype=ttnn.uint32), tensor(1, 1, 512, 64, layout=ROWS)
conv = dict(in_channels=16, out_channels=32, device=device, batch_size=1, input_height=32, input_width=32,
            kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
pool = dict(batch_size=1, input_h=32, input_w=32, channels=32, kernel_size=[2, 2], stride=[2, 2], padding=[0, 0])
attention = ttnn.transformer

SETS = {
    "eltwise": {
        "add": lambda: ttnn.add(x, y),
        "add broadcast": lambda: ttnn.add(x, scale),
        "add in L1": lambda: ttnn.add(in_l1, in_l1),
        "add height sharded": lambda: ttnn.add(tall, tall, memory_config=HEIGHT),
        "multiply scalar": lambda: ttnn.multiply(x, 2.0),
        "subtract": lambda: ttnn.subtract(x, y),
        "div": lambda: ttnn.div(x, y),
        "relu": lambda: ttnn.relu(x),
        "gelu": lambda: ttnn.gelu(x),
        "silu height sharded": lambda: ttnn.silu(tall),
        "exp block sharded": lambda: ttnn.exp(block),
        "pow": lambda: ttnn.pow(x, 2.0),
        "clamp": lambda: ttnn.clamp(x, 0.0, 1.0),
        "where": lambda: ttnn.where(x, y, y),
        "gt": lambda: ttnn.gt(x, y),
        "typecast": lambda: ttnn.typecast(x, ttnn.float32),
    },
    "matmul": {
        "matmul": lambda: ttnn.matmul(x, wide),
        "matmul 512": lambda: ttnn.matmul(square, square),
        "matmul batch": lambda: ttnn.matmul(batch, batch),
        "matmul broadcast": lambda: ttnn.matmul(batch, x),
        "matmul to L1": lambda: ttnn.matmul(square, square, memory_config=L1),
        "matmul transposed": lambda: ttnn.matmul(x, y, transpose_b=True),
        "matmul block sharded": lambda: ttnn.matmul(block, in_l1, memory_config=ttnn.L1_BLOCK_SHARDED_MEMORY_CONFIG),
        "matmul height sharded": lambda: ttnn.matmul(tall, weight, memory_config=ttnn.L1_HEIGHT_SHARDED_MEMORY_CONFIG),
        "linear": lambda: ttnn.linear(x, wide),
        "linear bias relu": lambda: ttnn.linear(x, weight, bias=scale, activation="relu"),
        "addmm": lambda: ttnn.addmm(wide, x, wide),
    },
    "reduce": {
        "sum": lambda: ttnn.sum(x, dim=-1),
        "sum rows": lambda: ttnn.sum(x, dim=-2),
        "sum all": lambda: ttnn.sum(large),
        "mean": lambda: ttnn.mean(x, dim=-1),
        "max": lambda: ttnn.max(x, dim=-1),
        "argmax": lambda: ttnn.argmax(rows, dim=-1),
        "topk": lambda: ttnn.topk(x, 32),
        "softmax": lambda: ttnn.softmax(x, dim=-1),
        "softmax large": lambda: ttnn.softmax(square, dim=-1),
        "layer_norm": lambda: ttnn.layer_norm(x),
        "layer_norm weights": lambda: ttnn.layer_norm(large, weight=scale_of_large, bias=scale_of_large),
        "rms_norm": lambda: ttnn.rms_norm(x),
        "cumsum": lambda: ttnn.cumsum(x, dim=2),
    },
    "data movement": {
        "to_layout tile": lambda: ttnn.to_layout(rows, TILE),
        "to_layout rows": lambda: ttnn.to_layout(x, ROWS),
        "to_memory_config L1": lambda: ttnn.to_memory_config(x, L1),
        "interleaved to sharded": lambda: ttnn.to_memory_config(in_l1, BLOCK),
        "sharded to interleaved": lambda: ttnn.to_memory_config(block, DRAM),
        "reshape": lambda: ttnn.reshape(large, (1, 1, 256, 64)),
        "transpose": lambda: ttnn.transpose(large, -2, -1),
        "permute": lambda: ttnn.permute(heads(), (0, 2, 1, 3)),
        "concat": lambda: ttnn.concat([x, y], dim=-1),
        "slice": lambda: ttnn.slice(large, (0, 0, 0, 0), (1, 1, 64, 64)),
        "pad": lambda: ttnn.pad(rows, ((0, 0), (0, 0), (0, 32), (0, 32)), 0.0),
        "repeat": lambda: ttnn.repeat(x, (1, 2, 1, 1)),
        "split": lambda: ttnn.split(large, 128, dim=-1),
        "embedding": lambda: ttnn.embedding(ids, table),
        "embedding tile": lambda: ttnn.embedding(ids, table, layout=TILE),
        "full": lambda: ttnn.full((1, 1, 64, 64), 3.0, dtype=BF16, layout=TILE, device=device),
        "tril": lambda: ttnn.tril(x),
        "sort": lambda: ttnn.sort(x, dim=-1),
    },
    "networks": {
        "conv2d": lambda: ttnn.conv2d(input_tensor=image(16), weight_tensor=on_host(32, 16, 3, 3), **conv),
        "max_pool2d": lambda: ttnn.max_pool2d(input_tensor=image(32), dilation=[1, 1], **pool),
        "avg_pool2d": lambda: ttnn.avg_pool2d(input_tensor=image(32), **pool),
        "upsample": lambda: ttnn.upsample(tensor(1, 16, 16, 32, layout=ROWS), 2),
        "sdpa": lambda: attention.scaled_dot_product_attention(heads(), heads(), heads(), is_causal=True),
        "sdpa long": lambda: attention.scaled_dot_product_attention(heads(8, 256), heads(8, 256), heads(8, 256), is_causal=True),
        "concatenate_heads": lambda: attention.concatenate_heads(heads()),
        "split heads": lambda: attention.split_query_key_value_and_split_heads(tensor(1, 64, 768), num_heads=4),
        "attention_softmax": lambda: attention.attention_softmax(heads(), head_size=None),
        "rotary_embedding": lambda: ttnn.experimental.rotary_embedding(x, y, y),
        "nlp_concat_heads": lambda: ttnn.experimental.nlp_concat_heads(heads()),
    },
}


def captured(operation):
    graph.begin_graph_capture(graph.RunMode.NO_DISPATCH)
    try:
        operation()
    finally:
        nodes = graph.end_graph_capture()
    programs = []
    for node in nodes:
        kind, params = node["node_type"], node["params"]
        if kind == "circular_buffer_deallocate_all":
            programs.append([])
        elif kind in KINDS and "1" not in (params.get("borrows_memory"), params.get("globally_allocated")):
            programs[-1].append([KINDS[kind], int(params["size"]), params["core_range_set"]])
    return programs


truth = open(sys.argv[1], "w")
for name, operation in SETS[sys.argv[2]].items():
    mark(name)
    try:
        operation()
        mark("captured")
        device.clear_program_cache()
        line = {"op": name, "programs": captured(operation)}
    except Exception as error:
        # Pools compare figures that a capture does not have.
        line = {"op": name, "error": str(error).partition("\n")[0]}
    device.clear_program_cache()
    truth.write(json.dumps(line) + "\n")
    truth.flush()
os._exit(0)
