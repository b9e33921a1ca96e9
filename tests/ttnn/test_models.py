"""Two models: every allocation has the op that its users wrote, and the first screen names who made the peak."""

import collections
import json
import subprocess
import unittest

import ledger_run
from test_acceptance import HERE, TTMEM

SOURCE = HERE / "models.py"
#: Share of the allocations that have an op.
SHARE = 0.97
#: Lines of a terminal, as it usually is.
SCREEN = 24


class Models(ledger_run.LedgerTest):
    def allocations(self, recording):
        """Each event that made memory; one that goes on with the cores of another is no other allocation."""
        lines = subprocess.run(
            [TTMEM, "export", str(recording), "--format", "jsonl"], check=True, capture_output=True, text=True).stdout
        events = [json.loads(line) for line in lines.splitlines()]
        made = [event for event in events if event["event"] in ("allocate", "cb_allocate")]
        return [event for event in made if "more_cores" not in event.get("flags", [])]

    def assert_ops(self, recording, wanted):
        made = self.allocations(recording)
        self.assertGreater(len(made), 200)
        without = [event for event in made if not event.get("op")]
        self.assertGreaterEqual(len(made) - len(without), SHARE * len(made), without[:20])
        ops = collections.Counter(event.get("op") for event in made)
        self.assertLessEqual(wanted, set(ops), ops)
        return ops

    def test_a_convolutional_network(self):
        _, recording = self.record(SOURCE.name, "vgg16")
        wanted = {"ttnn.conv2d", "ttnn.max_pool2d", "ttnn.relu", "ttnn.linear", "ttnn.from_torch", "ttnn.to_device"}
        self.assert_ops(recording, wanted | {"ttnn.reallocate", "ttnn.to_memory_config", "ttnn.softmax"})
        report = subprocess.run([TTMEM, "report", str(recording)], check=True, capture_output=True, text=True).stdout
        screen = "\n".join(report.splitlines()[:SCREEN])
        for told in ("At the peak", "ttnn.from_torch: parameter (", "ttnn.conv2d: __call__ (", f"{SOURCE.name}:"):
            self.assertIn(told, screen)

    def test_a_transformer(self):
        _, recording = self.record(SOURCE.name, "gpt2")
        split = "ttnn.transformer.split_query_key_value_and_split_heads"
        wanted = {"ttnn.embedding", "ttnn.layer_norm", "ttnn.linear", split, "ttnn.transformer.concatenate_heads"}
        self.assert_ops(recording, wanted | {"ttnn.matmul", "ttnn.gelu", "ttnn.add", "ttnn.multiply", "ttnn.from_torch"})


if __name__ == "__main__":
    unittest.main()
