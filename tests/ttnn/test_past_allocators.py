"""L1 that tt-metal hands out past its allocators, on its cores, against what tt-metal says when it is asked for it."""

import json
import pathlib
import subprocess
import tempfile
import unittest

from test_acceptance import HERE, Run, python_or_skip


def on_cores(mark):
    live = [one for one in mark["live"] if "core" in one]
    return sorted([one["core"], one["address"], one["size"]] for one in live)


class PastAllocators(unittest.TestCase):
    def test_service_cores_and_a_persistent_arena(self):
        python = python_or_skip()
        (build,) = pathlib.Path(python).parent.parent.glob("lib/python*/site-packages/ttnn/build/lib")
        with tempfile.TemporaryDirectory() as folder:
            library = pathlib.Path(folder) / "past_allocators.so"
            command = ["c++", "-std=c++20", "-shared", "-fPIC", "-O2", "-o", str(library), str(HERE / "past_allocators.cpp")]
            subprocess.run([*command, f"-L{build}", "-ltt_metal", "-Wl,--allow-shlib-undefined"], check=True)
            run = Run(folder, python, "blackhole-1", [str(HERE / "past_allocators.py"), str(library)])
        self.assertEqual((run.plain.returncode, run.tracked.returncode), (0, 0), run.tracked.stderr + run.plain.stderr)
        self.assertEqual((run.tracked.stdout, run.tracked.stderr), (run.plain.stdout, run.plain.stderr))
        live, truth = [], {}
        for line in run.plain.stdout.splitlines():
            sign, _, rest = line.partition(" ")
            if sign == "step":
                step = truth[rest] = live
                if rest == "the pipe is gone":
                    live = truth[rest] = [one for one in step if one[0] not in ("1-0", "2-0")]
            elif sign in "+-":
                core, address, size = rest.split()
                one = [core, int(address), int(size)]
                live = [*live, one] if sign == "+" else [other for other in live if other != one]
                truth[list(truth)[-1]] = live
        refused = [line.split(": ", 2) for line in run.plain.stdout.splitlines() if "refused" in line]
        self.assertEqual([(what, how) for what, how, _ in refused], [("allocate", "refused"), ("arena", "refused")])
        (process,) = run.report["processes"]
        told = [(one["memory"], one["size"], one["devices"], one["other_reason"]) for one in process["out_of_memory"]]
        self.assertEqual(told, [("L1", 1 << 30, [0], said) for _, _, said in refused])
        self.assertEqual([len(each) for each in truth.values()], [3, 1, 3, 1])
        self.assertEqual({mark["name"]: on_cores(mark) for mark in process["marks"]},
                         {name: sorted(each) for name, each in truth.items()})
        for mark in process["marks"]:
            (device,) = mark["devices"]
            l1 = device["memory"]["L1"]
            held = sum(size for _, _, size in on_cores(mark))
            self.assertEqual((l1["live_bytes"], l1["live_bytes_per_bank"]), (2048 + held, 2048), json.dumps(mark)[:2000])
        self.assertEqual((process["unmatched_frees"], process["events"]["lost"], process["live"]), (0, 0, []))
        self.assertEqual([one["size"] for one in process["released_at_close"]], [4096])
        self.assertEqual(process.get("unseen_parts", []), [])


if __name__ == "__main__":
    unittest.main()
