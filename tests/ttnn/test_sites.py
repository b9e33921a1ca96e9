"""Call sites of a real model: every region names the line that made it."""

import collections
import re
import unittest

import ledger_run
from test_acceptance import HERE

SOURCE = HERE / "sites_model.py"


def line(mark):
    numbers = [number for number, text in enumerate(SOURCE.read_text().splitlines(), 1) if text.endswith(f"# {mark}")]
    assert len(numbers) == 1, mark
    return numbers[0]


def frame(function, mark):
    return f"{function} ({SOURCE}:{line(mark)})"


class Sites(ledger_run.LedgerTest):
    def test_the_leak_and_the_weights_name_their_lines(self):
        run = self.tracked(SOURCE.name)
        self.assert_sound(run.process)
        live = [region for region in run.process["live"] if region["memory"] == "DRAM" and not region["cached"]]
        by_line = collections.Counter((region["site"][0], region["size"], region.get("op")) for region in live)
        # Every output is kept; an input is not.
        self.assertEqual(by_line[frame("forward", "RELU"), 2 * 128 * 128, "ttnn.relu"], 20 * 3, by_line)
        self.assertEqual(by_line[frame("tensor", "TENSOR"), 2 * 64 * 64, "ttnn.empty"], 20, by_line)
        self.assertEqual(by_line.total(), 80, by_line)
        weights = [region["site"] for region in live if region["op"] == "ttnn.empty"]
        self.assertEqual({site[1] for site in weights}, {frame("__init__", "WEIGHT")})
        # ttnn's own wrappers are not in front, the user's callers are behind.
        outputs = next(region["site"] for region in live if region["op"] == "ttnn.relu")
        self.assertEqual([re.sub(r" \(.*", "", frame) for frame in outputs], ["forward", "forward", "main", "<module>"])

    def test_circular_buffers_have_their_lines_too(self):
        run = self.tracked(SOURCE.name)
        circular = {region["site"][0] for region in run.process["live"] if region["memory"] == "CB"}
        self.assertEqual(circular, {frame("forward", "ADD")})


class Operations(ledger_run.LedgerTest):
    def test_allocations_have_the_operation_that_users_write(self):
        run = self.tracked("ops.py", cluster="blackhole-1")
        self.assert_sound(run.process)
        wanted = dict(reversed(line.split()) for line in run.output.splitlines())
        self.assertGreaterEqual(len(set(wanted.values())), 40, run.output)
        regions = run.process["live"]
        named = [region for region in regions if region.get("op")]
        self.assertGreaterEqual(len(named), 0.97 * len(regions), [region for region in regions if not region.get("op")])
        # Circular and dataflow buffers, and tables of programs, are the operation's as well.
        found = collections.defaultdict(set)
        for region in regions:
            for frame in region["site"]:
                if match := re.search(r"<lambda> \(.*/ops\.py:(\d+)\)", frame):
                    found[match[1]].add(region.get("op"))
        self.assertLessEqual(set(wanted), set(found))
        unlike = {name: found[line] for line, name in wanted.items() if name not in found[line]}
        self.assertEqual(unlike, {})
        # Whatever helpers on the line make is theirs.
        helpers = {"ttnn.empty", "ttnn.Tensor"}
        others = {name: found[line] - helpers - {name} for line, name in wanted.items()}
        self.assertEqual({name: ops for name, ops in others.items() if ops}, {})


if __name__ == "__main__":
    unittest.main()
