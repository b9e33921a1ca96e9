"""A large recording is exported in bounded memory. $TTMEM_TEST_EVENTS says how many events (300,000)."""

import os
import pathlib
import tempfile
import time
import unittest

from cases import TTMEM
from recording import write_large

EVENTS = int(os.environ.get("TTMEM_TEST_EVENTS", "300000"))
FORMATS = [
    ["perfetto"], ["pytorch-snapshot"], ["pprof"], ["pprof", "--at", "peak"], ["speedscope"], ["folded"], ["heaptrack"], ["csv"],
    ["csv", "--events"], ["jsonl"], ["parquet"], ["ttnn-visualizer"],
]
# 10,000,000 events must stay within 1 GiB: what a format keeps does not grow with their number.
MAX_KIB = 512 << 10


class Large(unittest.TestCase):
    def test_memory_is_bounded(self):
        with tempfile.TemporaryDirectory(prefix="ttmem-export-") as folder:
            recording = pathlib.Path(folder) / "large.ttmem"
            events = write_large(recording, EVENTS)
            for arguments in FORMATS:
                output = pathlib.Path(folder) / ("out-" + arguments[0])
                started = time.monotonic()
                command = [TTMEM, "export", str(recording), "--format", *arguments, "-o", str(output)]
                _, status, usage = os.wait4(os.spawnv(os.P_NOWAIT, TTMEM, command), 0)
                took = time.monotonic() - started
                self.assertEqual(status, 0, arguments)
                files = output.iterdir() if output.is_dir() else [output]
                size = sum(file.stat().st_size for file in files)
                print(
                    f"\n{' '.join(arguments):18} {events} events: {took:.1f} s, {usage.ru_maxrss >> 10} MiB of memory, "
                    f"{size >> 20} MiB written", end="",
                )
                self.assertLess(usage.ru_maxrss, MAX_KIB, arguments)
                for file in [output] if output.is_file() else output.iterdir():
                    file.unlink()


if __name__ == "__main__":
    unittest.main()
