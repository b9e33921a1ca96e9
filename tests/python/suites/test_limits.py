"""Limits that hold and limits that do not, one test each; the names say what is expected."""

import pytest
from device import DRAM, L1, Buffer, forgotten


@pytest.fixture(scope="module")
def big():
    buffer = Buffer(64_000_000)
    yield buffer
    buffer.free()


@pytest.mark.limit_device_memory("24 MB")
def test_passes_at_the_limit_beside_a_big_fixture(big):
    Buffer(24_000_000)


@pytest.mark.limit_device_memory("24 MB")
def test_fails_one_byte_over(big):
    Buffer(24_000_001)


@pytest.mark.limit_device_memory("24 MiB")
def test_passes_in_binary_units():
    Buffer(24 * 2**20)


@pytest.mark.limit_device_memory("1 MB", memory="L1")
def test_passes_in_another_memory():
    Buffer(24_000_000, DRAM)
    Buffer(1_000_000, L1)


@pytest.mark.limit_device_memory("1 MB", memory="L1")
@pytest.mark.limit_device_memory("1 GB", memory="DRAM")
def test_fails_in_the_memory_that_is_meant():
    first, second = Buffer(600_000, L1), Buffer(600_000, L1)
    assert first and second


@pytest.mark.limit_device_memory("1 MB")
def test_passes_as_each_device_has_its_own():
    buffers = [Buffer(1_000_000, DRAM, device) for device in range(4)]
    assert buffers


@pytest.mark.limit_device_leftover("4 KiB")
def test_passes_with_a_leftover_that_is_allowed():
    forgotten.append(Buffer(4096))


@pytest.mark.limit_device_leftover("4 KiB")
def test_fails_with_a_larger_leftover():
    forgotten.append(Buffer(4097))


@pytest.mark.limit_device_leaks
def test_fails_by_the_earlier_name_of_the_mark():
    forgotten.append(Buffer(1))


@pytest.mark.limit_device_leftover
def test_fails_with_any_leftover():
    forgotten.append(Buffer(1))


@pytest.mark.limit_device_leftover("0 B", memory="L1")
def test_passes_with_a_leftover_elsewhere():
    forgotten.append(Buffer(1))


@pytest.mark.limit_device_leftover("0 B")
def test_fails_by_itself_and_not_by_its_leftover():
    kept = Buffer(77)
    assert not kept, "an ordinary failure"


@pytest.mark.limit_device_leftover("0 B")
def test_passes_after_a_failure_that_keeps_its_frames():
    Buffer(5)


@pytest.mark.xfail(reason="known leftover")
@pytest.mark.limit_device_leftover("0 B")
def test_xfails_with_a_known_leftover():
    forgotten.append(Buffer(3))


@pytest.mark.xfail(reason="known leftover", strict=True)
@pytest.mark.limit_device_leftover("0 B")
def test_xfails_strictly_with_a_known_leftover():
    forgotten.append(Buffer(3))


class TestFixtures:
    @pytest.fixture(scope="class")
    def held(self):
        buffer = Buffer(1000)
        yield buffer
        buffer.free()

    @pytest.fixture
    def lost(self):
        forgotten.append(Buffer(1))

    @pytest.mark.limit_device_leftover("0 B")
    def test_passes_with_a_class_fixture(self, held):
        pass

    @pytest.mark.limit_device_leftover("0 B")
    def test_passes_with_a_fixture_asked_for_in_the_call(self, request):
        request.getfixturevalue("held")

    @pytest.mark.limit_device_leftover("0 B")
    def test_fails_by_a_leftover_of_its_own_fixture(self, lost):
        pass

    @pytest.mark.limit_device_leftover("0 B")
    def test_skips(self):
        pytest.skip("for the skip's sake")
