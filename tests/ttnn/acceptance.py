"""Everything that a ttnn program does with device memory, on mock chips, with the truth written down at every step.

    python acceptance.py TRUTH ROWS COLUMNS

Standard output is the same in every run, with ttmem and without.
"""

import gc
import sys
import threading
from importlib.metadata import version

import ttnn
from truth import Truth

if version("ttnn").startswith(("0.67.", "0.68.")):
    # Their decorators look for torch tensors while a graph is captured, and the wheels do not bring torch.
    import numpy_torch  # noqa: F401


def tensor(mesh, shape, memory=ttnn.DRAM_MEMORY_CONFIG):
    return ttnn.empty(shape, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=mesh, memory_config=memory)


def sharded(buffer_type, rows, columns, cores):
    grid = ttnn.CoreRangeSet({ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(cores - 1, 0))})
    spec = ttnn.ShardSpec(grid, (rows // cores, columns), ttnn.ShardOrientation.ROW_MAJOR)
    return ttnn.MemoryConfig(ttnn.TensorMemoryLayout.HEIGHT_SHARDED, buffer_type, spec)


def in_threads(mesh, count):
    """Tensors made by several threads at once, some of them let go of there."""
    kept = [None] * count

    def work(number):
        for round in range(8):
            temporary = tensor(mesh, (1, 1, 32 * (1 + round), 64))
            kept[number] = tensor(mesh, (1, 1, 32, 32 * (1 + number)))
            ttnn.deallocate(temporary)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return kept


def pretend(mesh):
    """A graph capture that dispatches nothing: what it allocates is no memory."""
    graph = ttnn._ttnn.graph
    graph.begin_graph_capture(graph.RunMode.NO_DISPATCH)
    imagined = tensor(mesh, (1, 1, 512, 512))
    result = ttnn.add(imagined, imagined)
    graph.end_graph_capture()
    del imagined, result
    gc.collect()


def refuse(mesh):
    """Asks for more L1 than there is."""
    try:
        tensor(mesh, (1, 1, 16384, 16384), ttnn.L1_MEMORY_CONFIG)
    except RuntimeError as error:
        print("refused:", "Out of Memory" in str(error))


def open_mesh(rows, columns):
    if rows * columns == 1:
        return ttnn.open_device(device_id=0, l1_small_size=16384)
    return ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(rows, columns), l1_small_size=16384)


def close_mesh(mesh):
    ttnn.close_device(mesh) if mesh.get_num_devices() == 1 else ttnn.close_mesh_device(mesh)


def in_submesh(truth, mesh):
    submesh = mesh.create_submesh(ttnn.MeshShape(1, 2))
    truth.step("submesh made", mesh, submesh)
    first = tensor(submesh, (1, 1, 128, 128))
    second = tensor(submesh, (1, 1, 64, 64), ttnn.L1_MEMORY_CONFIG)
    truth.step("submesh tensors", mesh, submesh)
    third = tensor(submesh, (1, 1, 32, 96))
    ttnn.deallocate(first)
    truth.step("submesh deallocate", mesh, submesh)
    # Without an op on the submesh: after one, tt-metal refuses to close it before its parent.
    ttnn.close_mesh_device(submesh)
    truth.step("submesh closed with two tensors", mesh)
    del second, third, submesh
    gc.collect()
    truth.step("submesh tensors gone", mesh)


def main(path, rows, columns):
    truth = Truth(path)
    truth.step("start")
    mesh = open_mesh(rows, columns)
    truth.step("open", mesh)
    a = tensor(mesh, (1, 1, 256, 256))
    truth.step("DRAM tensor", mesh)
    b = tensor(mesh, (1, 1, 64, 64), ttnn.L1_MEMORY_CONFIG)
    truth.step("L1 tensor", mesh)
    c = tensor(mesh, (1, 1, 256, 64), sharded(ttnn.BufferType.L1, 256, 64, 8))
    truth.step("sharded tensor", mesh)
    d = tensor(mesh, (1, 1, 64, 32), sharded(ttnn.BufferType.L1_SMALL, 64, 32, 2))
    truth.step("L1_SMALL tensor", mesh)
    e = ttnn.add(a, a)
    truth.step("add", mesh)
    f = ttnn.matmul(a, e)
    truth.step("matmul", mesh)
    g = ttnn.relu(f)
    h = ttnn.softmax(g, dim=-1)
    truth.step("relu and softmax", mesh)
    views = [ttnn.reshape(a, (1, 1, 128, 512)), ttnn.reshape(a, (1, 256, 1, 256))]
    truth.step("reshapes", mesh)
    ttnn.deallocate(e)
    truth.step("deallocate", mesh)
    del g
    gc.collect()
    truth.step("del", mesh)
    del views
    ttnn.deallocate(b)
    gc.collect()
    truth.step("views and L1 tensor gone", mesh)
    kept = in_threads(mesh, 4)
    truth.step("threads", mesh)
    refuse(mesh)
    truth.step("out of memory", mesh)
    pretend(mesh)
    truth.step("NO_DISPATCH capture", mesh)
    nothing = tensor(mesh, (1, 1, 0, 32))
    truth.step("size 0", mesh)
    if rows * columns > 2:
        in_submesh(truth, mesh)
    for _ in range(3):
        f = ttnn.add(f, f)
    truth.step("the same op again", mesh)
    mesh.disable_and_clear_program_cache()
    truth.step("program cache cleared", mesh)
    del c, d, f, h, kept, nothing
    gc.collect()
    truth.step("all but one gone", mesh)
    survivors = [a, tensor(mesh, (1, 1, 64, 64)), tensor(mesh, (1, 1, 32, 32), ttnn.L1_MEMORY_CONFIG)]
    truth.step("three tensors alive", mesh)
    close_mesh(mesh)
    truth.step("closed with three tensors alive")
    del survivors, a
    gc.collect()
    truth.step("three tensors gone")
    mesh = open_mesh(rows, columns)
    truth.step("open again", mesh)
    last = tensor(mesh, (1, 1, 96, 96))
    truth.step("tensor after reopen", mesh)
    ttnn.deallocate(last)
    truth.step("deallocated after reopen", mesh)
    close_mesh(mesh)
    truth.step("end")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
