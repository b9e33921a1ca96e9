"""Ops of which each needs a program of its own, on a mesh of mock devices: the program cache grows with every op.

    python distinct_programs.py ROWS COLUMNS PROGRAMS

Compiles all kernels first, and says so by a line. Then each line PROGRAMS:OPS of standard input is one pass
from an empty program cache. Before each so many OPS it prints a line and waits for one: whoever writes them lets others have their
turn, or time pass as in a model with work on the host. Prints a line of JSON for each pass: the time in ops, and the processor time
of the thread that runs them, at each of COUNTS programs.
"""

import json
import sys
import time

import ttnn

COUNTS = (64, 256, 1024)
TILE = 32


def tensor(mesh, shape, dtype):
    return ttnn.empty(shape, dtype=dtype, layout=ttnn.TILE_LAYOUT, device=mesh)


def sharded(height, width, cores):
    grid = ttnn.CoreGrid(y=1, x=cores)
    return ttnn.create_sharded_memory_config(
        (1, 1, height, width), core_grid=grid, strategy=ttnn.ShardStrategy.HEIGHT
    )


def untilize(dtype):
    def make(mesh, height, width):
        a = tensor(mesh, (1, 1, height, width), dtype)
        return lambda: ttnn.to_layout(a, ttnn.ROW_MAJOR_LAYOUT)

    return make


def where(dtype):
    def make(mesh, height, width):
        a = tensor(mesh, (1, 1, height, width), dtype)
        return lambda: ttnn.where(a, a, a)

    return make


def repeat(mesh, height, width):
    a = tensor(mesh, (1, 1, height, width), ttnn.bfloat16)
    return lambda: ttnn.repeat(a, ttnn.Shape([1, 1, 2, 1]))


def attention(mesh, height, width):
    a = tensor(mesh, (1, 1, height, width), ttnn.bfloat16)
    return lambda: ttnn.transformer.scaled_dot_product_attention(a, a, a)


def into_shards(function):
    def make(mesh, height, width):
        a = tensor(mesh, (1, 1, 8 * height, width), ttnn.bfloat16)
        memory = sharded(8 * height, width, 8)
        return lambda: function(a, a, memory_config=memory)

    return make


# All use circular buffers, in every wheel from 0.77 to 0.81.
KINDS = (
    untilize(ttnn.bfloat16),
    untilize(ttnn.float32),
    where(ttnn.bfloat16),
    where(ttnn.float32),
    repeat,
    into_shards(ttnn.add),
    into_shards(ttnn.multiply),
    attention,
)


def op(mesh, number):
    """The op with this number, its operands made: no two have a program in common."""
    shape, kind = divmod(number, len(KINDS))
    return KINDS[kind](mesh, TILE * (8 + shape % 16), TILE * (8 + shape // 16))


# From being told to run until the first op runs: what a thread that slept finds is the same whoever woke it.
SETTLE = 0.004


def ready():
    print("READY", flush=True)


def its_turn(turns):
    ready()
    turns.readline()
    time.sleep(SETTLE)


def run(mesh, programs, turns=None, ops=1):
    """The time in ops and the thread's processor time in them, s, at each of COUNTS. Where there are `turns`, each has so many `ops`."""
    wall = cpu = 0.0
    at = {}
    for number in range(programs):
        function = op(mesh, number)
        if turns and number % ops == 0:
            its_turn(turns)
        cpu_before, before = time.thread_time(), time.perf_counter()
        result = function()
        wall += time.perf_counter() - before
        cpu += time.thread_time() - cpu_before
        del result
        if number + 1 in COUNTS or number + 1 == programs:
            at[number + 1] = {"wall": wall, "cpu": cpu}
    return at


def main():
    rows, columns, most = (int(word) for word in sys.argv[1:4])
    mesh = ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(rows, columns))
    run(mesh, most)
    ready()
    # Not by `for`, which reads ahead.
    while line := sys.stdin.readline():
        programs, ops = (int(word) for word in line.split(":"))
        mesh.clear_program_cache()
        before = mesh.num_program_cache_entries()
        at = run(mesh, programs, sys.stdin, ops)
        entries = mesh.num_program_cache_entries() - before
        print(json.dumps({"programs": programs, "entries": entries, "at": at}), flush=True)
    ttnn.close_mesh_device(mesh)


if __name__ == "__main__":
    main()
