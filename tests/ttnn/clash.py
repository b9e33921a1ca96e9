"""L1 full of tensors down to near its beginning; ops whose circular or dataflow buffers find no room, one after the other.

argv[1] is where the truth would go; not used. Prints what each op says. The comments in capitals mark lines.
"""

import os

import ttnn
from ledger_endings import fill, tensor, what_it_says

mesh = ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(2, 4))
wide, square = tensor(mesh, (1, 1, 32, 4096)), tensor(mesh, (1, 1, 1024, 1024))
kept, _ = fill(mesh, (1, 1, 32 * 120, 32 * 64), ttnn.L1_MEMORY_CONFIG)
more, _ = fill(mesh, (1, 1, 32 * 120, 32), ttnn.L1_MEMORY_CONFIG)


def attempt(op, *arguments, **named):
    try:
        op(*arguments, **named)  # ATTEMPT
    except Exception as error:
        print(op.python_fully_qualified_name, "|", what_it_says(error).replace("\n", " "), flush=True)
    else:
        print(op.python_fully_qualified_name, "| done", flush=True)


attempt(ttnn.softmax, wide, dim=-1)
attempt(ttnn.sum, wide, dim=-1)
attempt(ttnn.add, square, square)
attempt(ttnn.matmul, square, square)
os._exit(0)
