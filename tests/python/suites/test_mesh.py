"""40 tests on a mesh of eight mock chips that stays open for all of them; 3 leak. Ops leave buffers in the program cache,
which are nobody's leak."""

import pytest

ttnn = pytest.importorskip("ttnn")

LEAKING = (5, 18, 31)
forgotten = []


def tensor(mesh, shape=(1, 1, 64, 64), **more):
    return ttnn.empty(shape, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=mesh, **more)


@pytest.fixture(scope="session")
def mesh():
    mesh = ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(2, 4), l1_small_size=32768)
    yield mesh
    ttnn.close_mesh_device(mesh)


@pytest.fixture(scope="module")
def weights(mesh):
    return [tensor(mesh, (1, 1, 256, 256)) for _ in range(3)]


@pytest.fixture
def source(mesh):
    return tensor(mesh)


OPS = (
    lambda source: ttnn.sum(source, dim=-1),
    lambda source: ttnn.reshape(source, (1, 1, 32, 128)),
    lambda source: ttnn.add(source, source),
    lambda source: ttnn.add(source, source, memory_config=ttnn.L1_MEMORY_CONFIG),
)


@pytest.mark.parametrize("number", range(40))
def test_number(number, mesh, weights, source):
    # Each op is placed, and fills the program cache, in one of the first tests; tests 4 to 7 bring new shapes.
    if 4 <= number < 8:
        source = tensor(mesh, (1, 1, 128, 64))
        result = ttnn.sum(source, dim=-1)
    else:
        result = OPS[number % len(OPS)](source)
    if number in LEAKING:
        forgotten.append(result)


def test_a_leak_after_an_op_that_was_refused(mesh):
    # Refused while its program was being built: what comes after is not the program's.
    wrong = ttnn.empty((1, 1, 64, 64), dtype=ttnn.bfloat16, layout=ttnn.ROW_MAJOR_LAYOUT, device=mesh)
    with pytest.raises(RuntimeError):
        ttnn.matmul(wrong, wrong)
    del wrong
    forgotten.append(tensor(mesh))


@pytest.mark.limit_device_memory("16 KiB", memory="L1")
def test_l1_is_over_the_limit(mesh, source):
    kept = [ttnn.add(source, source, memory_config=ttnn.L1_MEMORY_CONFIG) for _ in range(3)]
    assert kept
