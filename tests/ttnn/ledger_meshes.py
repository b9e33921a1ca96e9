"""Meshes inside meshes, beside each other and one after another.

    python ledger_meshes.py TRUTH SCENARIO      SCENARIO: a function of this file, with spaces or underscores

Says at each step what ttnn says.
"""

import gc
import subprocess
import sys

import ttnn
from truth import Truth


def tensor(mesh, shape=(1, 1, 64, 64), memory=ttnn.DRAM_MEMORY_CONFIG):
    return ttnn.empty(shape, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=mesh, memory_config=memory)


def open_mesh(rows=2, columns=4, chips=()):
    return ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(rows, columns), physical_device_ids=list(chips))


def submesh_closed_first(truth):
    parent = open_mesh()
    submesh = parent.create_submesh(ttnn.MeshShape(1, 2))
    of_parent = tensor(parent)
    of_submesh = tensor(submesh, (1, 1, 128, 128)), tensor(submesh, memory=ttnn.L1_MEMORY_CONFIG)
    truth.step("tensors of both", parent, submesh)
    total = ttnn.add(of_submesh[0], of_submesh[0])
    truth.step("op on the submesh", parent, submesh)
    ttnn.close_mesh_device(submesh)
    truth.step("submesh closed", parent)
    more = tensor(parent)
    truth.step("parent goes on", parent)
    del of_submesh, total, submesh
    gc.collect()
    truth.step("submesh and its tensors gone", parent)
    ttnn.deallocate(of_parent)
    ttnn.deallocate(more)
    truth.step("nothing", parent)
    ttnn.close_mesh_device(parent)
    truth.step("closed")


def parent_closed_first(truth):
    parent = open_mesh()
    submesh = parent.create_submesh(ttnn.MeshShape(1, 2))
    of_parent, of_submesh = tensor(parent), tensor(submesh, (1, 1, 128, 128))
    total = ttnn.add(of_submesh, of_submesh)
    truth.step("tensors of both", parent, submesh)
    ttnn.close_mesh_device(parent)
    truth.step("parent closed", submesh)
    more = tensor(submesh)
    truth.step("submesh goes on", submesh)
    ttnn.deallocate(of_submesh)
    truth.step("deallocated in the submesh", submesh)
    ttnn.close_mesh_device(submesh)
    truth.step("closed")
    del of_parent, total, more
    gc.collect()
    truth.step("tensors gone")


def nested_submeshes(truth):
    parent = open_mesh()
    rows = parent.create_submeshes(ttnn.MeshShape(1, 4))
    nested = rows[0].create_submesh(ttnn.MeshShape(1, 2))
    truth.step("made", parent, *rows, nested)
    kept = [tensor(parent), tensor(rows[0]), tensor(rows[1], (1, 1, 64, 128)), tensor(nested, (1, 1, 64, 192))]
    truth.step("tensors of four", parent, *rows, nested)
    ttnn.close_mesh_device(nested)
    truth.step("nested closed", parent, *rows)
    ttnn.close_mesh_device(rows[1])
    truth.step("second row closed", parent, rows[0])
    kept.append(tensor(parent, (1, 1, 256, 64)))
    truth.step("parent goes on", parent, rows[0])
    ttnn.close_mesh_device(rows[0])
    truth.step("first row closed", parent)
    ttnn.close_mesh_device(parent)
    truth.step("closed")


def two_meshes(truth):
    """Four of the eight chips each."""
    first, second = open_mesh(1, 4, range(4)), open_mesh(1, 4, range(4, 8))
    truth.step("open", first, second)
    of_first, of_second = tensor(first), tensor(second, (1, 1, 128, 64))
    truth.step("tensors", first, second)
    sums = ttnn.add(of_first, of_first), ttnn.add(of_second, of_second)
    truth.step("sums", first, second)
    ttnn.deallocate(of_first)
    truth.step("deallocated in the first", first, second)
    ttnn.close_mesh_device(second)
    # On mock chips that calls Device::close on every chip of the process, the first mesh's too. The first mesh's
    # allocator still counts its tensors, but an op on it dies of signal 11, and so does get_buffers once one of its
    # tensors is let go of: without ttmem as well. So there is no step before both are closed.
    ttnn.close_mesh_device(first)
    truth.step("closed")


def two_meshes_on_one_chip(truth):
    """Each has an allocator of its own, which knows nothing of the other's: their books add up."""
    first, second = open_mesh(1, 1, [3]), open_mesh(1, 1, [3])
    of_first, of_second = tensor(first), tensor(second, (1, 1, 128, 64))
    truth.step("tensors", first, second)
    total = ttnn.add(of_first, of_first)
    truth.step("sum", first, second)
    ttnn.deallocate(of_first)
    truth.step("deallocated in the first", first, second)
    ttnn.deallocate(of_second)
    truth.step("deallocated in the second", first, second)
    ttnn.deallocate(total)
    truth.step("nothing", first, second)


def reopened(truth):
    """The same chips four times; every other time nothing is let go of before the close."""
    for time in range(1, 5):
        mesh = open_mesh()
        truth.step(f"open {time}", mesh)
        first = tensor(mesh)
        total = ttnn.add(first, first)
        truth.step(f"tensors {time}", mesh)
        if time % 2 == 0:
            ttnn.deallocate(first)
            ttnn.deallocate(total)
            truth.step("deallocated", mesh)
        ttnn.close_mesh_device(mesh)
        truth.step(f"closed {time}")


def sub_device_manager(truth):
    mesh = open_mesh()
    corners = [((0, 0), (3, 3)), ((4, 4), (5, 5))]
    ranges = [ttnn.CoreRange(ttnn.CoreCoord(*start), ttnn.CoreCoord(*end)) for start, end in corners]
    parts = [ttnn.SubDevice([ttnn.CoreRangeSet([range])]) for range in ranges]
    manager = mesh.create_sub_device_manager(parts, 32768)
    truth.step("made", mesh)
    kept = tensor(mesh), tensor(mesh, memory=ttnn.L1_MEMORY_CONFIG)
    truth.step("tensors", mesh)
    # It cannot be loaded on mock chips. With fast dispatch load_sub_device_manager dies of signal 11 in
    # add_notify_dispatch_s_go_signal_cmd; with TT_METAL_SLOW_DISPATCH_MODE=1 tt-metal says that sub-device managers are
    # not supported (both in 0.79.0, 0.80.0 and 0.81.1).
    mesh.remove_sub_device_manager(manager)
    truth.step("removed", mesh)
    for each in kept:
        ttnn.deallocate(each)
    truth.step("nothing", mesh)
    ttnn.close_mesh_device(mesh)
    truth.step("closed")


def two_processes(truth):
    """A child opens the same chips; both hold memory when each of them takes a step."""
    mesh = open_mesh()
    kept = tensor(mesh), tensor(mesh, (1, 1, 128, 128))
    truth.step("before the child", mesh)
    command = [sys.executable, __file__, truth.file.name + ".child", "child"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for line in child.stdout:
        if "child holds" in line:
            break
    truth.step("child holds memory", mesh)
    ttnn.deallocate(kept[0])
    truth.step("deallocated while the child holds", mesh)
    child.communicate("go on\n")
    truth.step("child gone", mesh)
    ttnn.close_mesh_device(mesh)
    truth.step("closed")
    sys.exit(child.returncode)


def child(truth):
    mesh = open_mesh()
    kept = tensor(mesh, (1, 1, 256, 256)), tensor(mesh, memory=ttnn.L1_MEMORY_CONFIG)
    truth.step("child holds memory", mesh)
    sys.stdin.readline()
    truth.step("parent let go of a tensor", mesh)
    ttnn.deallocate(kept[0])
    truth.step("deallocated", mesh)
    ttnn.close_mesh_device(mesh)
    truth.step("closed")


if __name__ == "__main__":
    globals()[sys.argv[2].replace(" ", "_")](Truth(sys.argv[1]))
