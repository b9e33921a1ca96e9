"""The ops of distinct_programs.py, while tracking is switched on and off in turns: see switched.py.

    python switched_program.py ROWS COLUMNS PROGRAMS TURNS GAP

Each turn is three passes from an empty program cache. Of three passes, each block of ops is run once with tracking, once
without, and once more without, in random order. With a GAP each op is a block, after so many seconds of sleep. Prints the times of
each op, ns: by kind, one a turn.
"""

import ctypes
import json
import random
import sys
import time

import distinct_programs
import ttnn

KINDS = {"on": True, "off": False, "off again": False}
# So short that the machine is as fast in the next; so long that flusher and reader have several rounds in it.
BLOCK = 16
# For them to finish what the block before has left.
PAUSE = 0.004


def main():
    rows, columns, programs, turns = (int(word) for word in sys.argv[1:5])
    gap = float(sys.argv[5])
    block = 1 if gap else BLOCK
    switch = ctypes.CDLL(None).ttmem_bench_switch
    switch.restype = ctypes.c_bool
    mesh = ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(rows, columns))
    distinct_programs.run(mesh, programs)
    taken = {kind: [[] for _ in range(programs)] for kind in KINDS}
    for _ in range(turns):
        orders = [random.sample(list(KINDS), len(KINDS)) for _ in range(0, programs, block)]
        for turn in range(len(KINDS)):
            mesh.clear_program_cache()
            for number in range(programs):
                if number % block == 0:
                    time.sleep(PAUSE)
                    kind = orders[number // block][turn]
                    if not switch(KINDS[kind]):
                        sys.exit("switched_program.py: there is nothing to switch yet: no event was taken")
                function = distinct_programs.op(mesh, number)
                time.sleep(gap)
                before = time.perf_counter_ns()
                result = function()
                taken[kind][number].append(time.perf_counter_ns() - before)
                del result
            switch(True)
    print(json.dumps(taken))
    ttnn.close_mesh_device(mesh)


if __name__ == "__main__":
    main()
