"""40 tests over a device that stays open; 3 of them leak."""

import pytest
from device import DRAM, L1, Buffer, forgotten

LEAKING = (7, 19, 33)


@pytest.fixture(scope="session")
def weights():
    buffers = [Buffer(1 << 20) for _ in range(4)]
    yield buffers
    for buffer in buffers:
        buffer.free()


@pytest.fixture(scope="module")
def table(weights):
    return Buffer(1 << 16, L1)


@pytest.fixture
def activation(weights):
    # Held by pytest until the test's end, and freed by nobody but the collector of references.
    return Buffer(4096, L1)


@pytest.mark.parametrize("number", range(40))
def test_number(number, weights, table, activation):
    outputs = [Buffer(2048 * (1 + number), DRAM, device) for device in (0, 1)]
    cycle = [Buffer(512)]
    cycle.append(cycle)
    if number in LEAKING:
        forgotten.extend(outputs)
