"""Tests on a real mesh that are refused memory; the names say how they end."""

import pytest

ttnn = pytest.importorskip("ttnn")


@pytest.fixture(scope="module")
def mesh():
    mesh = ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(2, 4))
    yield mesh
    ttnn.close_mesh_device(mesh)


def tensor(mesh, rows, memory=ttnn.L1_MEMORY_CONFIG):
    return ttnn.empty((1, 1, rows, 2048), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=mesh, memory_config=memory)


def test_fails_for_want_of_l1(mesh):
    kept = tensor(mesh, 32 * 120)
    tensor(mesh, 1 << 16)
    assert kept


def test_fails_by_a_clash(mesh):
    wide = tensor(mesh, 32, ttnn.DRAM_MEMORY_CONFIG)
    kept = [tensor(mesh, 32 * 120) for _ in range(11)]
    ttnn.softmax(wide, dim=-1)
    assert kept


def test_passes_though_it_was_refused(mesh):
    with pytest.raises(RuntimeError):
        tensor(mesh, 1 << 16)


def test_fails_for_another_reason(mesh):
    assert mesh is None
