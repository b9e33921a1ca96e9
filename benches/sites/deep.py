"""deep.py HELPER PYTHON_FRAMES NATIVE_FRAMES: the median of bursts, in ns a call."""

import ctypes
import statistics
import sys
import time

burst = ctypes.CDLL(sys.argv[1]).burst
burst.restype = ctypes.c_double


def nested(levels, native):
    return nested(levels - 1, native) if levels > 1 else burst(native, 1000)


def measure(python, native):
    if python == 1:
        return burst(native, 1000)
    return nested(python - 1, native)


bursts = []
for _ in range(150):
    bursts.append(measure(int(sys.argv[2]), int(sys.argv[3])))
    time.sleep(0.002)
print(statistics.median(bursts))
