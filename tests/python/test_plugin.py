"""pytest with the plugin, over the suites of this folder, which use the C ABI alone."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from xml.etree import ElementTree

import environment
import wheel

SUITES = environment.HERE / "suites"
LEAKING = {7, 19, 33}


def python_or_skip():
    try:
        return environment.python_with_pytest()
    except wheel.Unavailable as reason:
        if os.environ.get("TTMEM_REQUIRE_ALL") == "1":
            raise
        raise unittest.SkipTest(str(reason))


class Outcome:
    """What one run of pytest said: outcomes by test, and its text."""

    def __init__(self, done, junit):
        self.code, self.text = done.returncode, done.stdout + done.stderr
        self.outcomes, self.messages, self.properties = {}, {}, {}
        for case in ElementTree.parse(junit).iter("testcase") if junit.exists() else ():
            kinds = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
            name = case.get("name")
            self.outcomes[name] = kinds[0] if len(kinds) == 1 else "passed" if not kinds else "+".join(kinds)
            self.messages[name] = " ".join(child.get("message", "") + (child.text or "") for child in case)
            self.properties[name] = {each.get("name"): each.get("value") for each in case.iter("property")}

    def named(self, outcome):
        return {name for name, each in self.outcomes.items() if each == outcome}


class PluginTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.python = python_or_skip()

    def setUp(self):
        memory = Path("/dev/shm")
        folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def pytest(self, *arguments, prefix=(), plugin=("-p", "ttmem.pytest_plugin"), **variables):
        junit = self.folder / "junit.xml"
        junit.unlink(missing_ok=True)
        here = {"PYTHONPATH": str(environment.ROOT / "python"), "TTMEM_DIR": str(self.folder / "rings")}
        command = [*prefix, self.python, "-m", "pytest", *plugin, "-p", "no:cacheprovider", f"--junit-xml={junit}", *arguments]
        run = {"cwd": SUITES, "env": environment.clean_environment(**here | variables), "timeout": 120}
        return Outcome(subprocess.run(command, capture_output=True, text=True, **run), junit)

    def assert_forty(self, outcome):
        self.assertEqual(outcome.code, 1, outcome.text)
        self.assertEqual(outcome.named("failure"), {f"test_number[{number}]" for number in LEAKING}, outcome.text)
        self.assertEqual(len(outcome.named("passed")), 37)
        self.assertIn("3 failed, 37 passed", outcome.text)
        self.assertIn("3 left 248.0 KiB behind in all, 3 over a limit", outcome.text)
        self.assertRegex(outcome.text, r"events: [0-9,]+ reported, 0 lost")

    def assert_by_name(self, outcome):
        """Each test's name says what is expected of it."""
        expected = {"passes": "passed", "fails": "failure", "skips": "skipped", "xfails": "skipped"}
        self.assertTrue(outcome.outcomes, outcome.text)
        for name, found in outcome.outcomes.items():
            self.assertEqual(found, expected[name.split("_")[1]], f"{name}\n{outcome.text}")


class Forty(PluginTest):
    def test_exactly_the_three_that_leak_fail(self):
        outcome = self.pytest("test_forty.py", "--ttmem", "--ttmem-limit-leaks=0 B", "--ttmem-top=2")
        self.assert_forty(outcome)
        message = outcome.messages["test_number[7]"]
        self.assertIn("left 32.0 KiB behind in 2 buffers, 0 B allowed", message)
        self.assertRegex(message, r"16\.0 KiB  DRAM at 0x[0-9a-f]+ on device 0")
        self.assertRegex(outcome.text, r"68\.5 KiB DRAM  call +136\.0 KiB +\+136\.0 KiB +test_forty.py::test_number\[33\]")
        self.assertIn("38 more; --ttmem-top N shows N", outcome.text)
        self.assertRegex(outcome.text, r"4\.0 MiB  fixture weights \(session\), for test_forty.py::test_number\[0\]")
        self.assertRegex(outcome.text, r"64\.0 KiB  fixture table \(module\)")
        properties = outcome.properties["test_number[7]"]
        self.assertEqual(properties["device_memory_left_behind_bytes"], "32768")
        # The output, and the cycle beside it.
        self.assertEqual(properties["device_memory_peak_bytes"], str(16_384 + 512))

    def test_no_limit_fails_nothing_and_tells_all_the_same(self):
        outcome = self.pytest("test_forty.py", "--ttmem")
        self.assertEqual((outcome.code, len(outcome.named("passed"))), (0, 40), outcome.text)
        self.assertIn("3 left 248.0 KiB behind in all\n", outcome.text)

    def test_a_limit_that_is_wide_enough(self):
        outcome = self.pytest("test_forty.py", "--ttmem", "--ttmem-limit-leaks=80 KiB")
        self.assertEqual(outcome.named("failure"), {"test_number[33]"}, outcome.text)

    def test_with_xdist(self):
        outcome = self.pytest("test_forty.py", "--ttmem", "--ttmem-limit-leaks=0 B", "-n", "2")
        self.assert_forty(outcome)
        self.assertRegex(outcome.text, r"workers: gw0: \d+ tests, .* left behind; gw1: \d+ tests, .* left behind")
        counts = [int(count) for count in re.findall(r"gw\d: (\d+) tests", outcome.text)]
        self.assertEqual(sum(counts), 40)
        self.assertEqual(outcome.text.count("fixture weights (session)"), 2)

    def test_no_ring_is_left(self):
        for more in ((), ("-n", "2")):
            self.pytest("test_forty.py", "--ttmem", *more)
            self.assertEqual(list((self.folder / "rings").glob("*.ring")), [], more)

    def test_without_the_option_nothing_changes(self):
        outcome = self.pytest("test_forty.py")
        self.assertEqual((outcome.code, len(outcome.named("passed"))), (0, 40), outcome.text)
        self.assertNotIn("device memory =", outcome.text)
        self.assertFalse((self.folder / "rings").exists())


class Marks(PluginTest):
    def test_limits(self):
        outcome = self.pytest("test_limits.py", "--ttmem")
        self.assert_by_name(outcome)
        self.assertIn("brought 22.9 MiB of DRAM to device 0 during call, 22.9 MiB allowed", outcome.messages["test_fails_one_byte_over"])
        ordinary = outcome.messages["test_fails_by_itself_and_not_by_its_leak"]
        self.assertIn("an ordinary failure", ordinary)
        self.assertNotIn("allowed", ordinary)
        self.assertIn("a failed test's traceback keeps what its functions held", outcome.text)
        self.assertIn("2 xfailed", outcome.text)

    def test_limits_with_xdist(self):
        self.assert_by_name(self.pytest("test_limits.py", "--ttmem", "-n", "2"))

    def test_a_mark_needs_the_option(self):
        outcome = self.pytest("test_limits.py", "test_forty.py")
        marked = {name for name in outcome.outcomes if not name.startswith("test_number")}
        self.assertEqual(outcome.named("failure") | outcome.named("skipped"), marked, outcome.text)
        self.assertEqual(len(outcome.named("passed")), 40)
        line = "test_limits.py::test_passes_in_binary_units: limit_device_memory is checked with --ttmem only; run pytest --ttmem"
        self.assertIn(line, outcome.messages["test_passes_in_binary_units"])

    def test_bad_marks_fail_their_tests_with_one_line(self):
        outcome = self.pytest("test_bad_marks.py", "--ttmem")
        self.assert_by_name(outcome)
        for name, why in {
            "test_fails_of_its_unit": "limit_device_memory: '24 XB' is no size: XB is not one of",
            "test_fails_of_its_number": "limit_device_leaks: 'many' is no size",
            "test_fails_of_its_memory": "limit_device_memory: 'L7' is no memory",
            "test_fails_without_a_size": 'limit_device_memory: it needs a size, as "24 MB"',
            "test_fails_of_its_keyword": "limit_device_leaks: it takes a size, and memory=",
        }.items():
            self.assertIn(f"test_bad_marks.py::{name}: {why}", outcome.messages[name])

    def test_the_last_test_is_judged_before_the_device_is_closed(self):
        self.assert_by_name(self.pytest("test_last.py", "--ttmem"))
        self.assert_by_name(self.pytest("test_last.py", "--ttmem", "-n", "2"))

    def test_reruns(self):
        outcome = self.pytest("test_reruns.py", "--ttmem")
        self.assert_by_name(outcome)
        self.assertIn("2 failed, 2 passed, 4 rerun", outcome.text)

    def test_reruns_of_all(self):
        outcome = self.pytest("test_forty.py", "--ttmem", "--ttmem-limit-leaks=0 B", "--reruns=1", "-n", "2")
        self.assert_forty(outcome)
        self.assertIn("3 rerun", outcome.text)


class Starting(PluginTest):
    def usage_error(self, *arguments, **more):
        outcome = self.pytest(*arguments, **more)
        self.assertEqual(outcome.code, 4, outcome.text)
        return outcome.text

    def test_a_bad_option_is_one_line(self):
        text = self.usage_error("test_forty.py", "--ttmem", "--ttmem-limit-leaks=lots")
        self.assertIn("--ttmem-limit-leaks: 'lots' is no size", text)
        self.assertIn("--ttmem-limit-leaks needs --ttmem", self.usage_error("test_forty.py", "--ttmem-limit-leaks=1"))

    def test_a_missing_library_says_what_to_do(self):
        text = self.usage_error("test_forty.py", "--ttmem", TTMEM_LIBRARY="/nowhere/libttmem.so")
        self.assertIn("set TTMEM_LIBRARY to its path", text)

    def test_tracking_that_is_off(self):
        self.assertIn("turned off", self.usage_error("test_forty.py", "--ttmem", TTMEM_DISABLE="1"))

    def test_under_ttmem_run(self):
        text = self.usage_error("test_forty.py", "--ttmem", prefix=(environment.TTMEM, "run", "--quiet", "--"))
        self.assertIn("run pytest --ttmem by itself, without `ttmem run`", text)

    def test_preloaded_by_hand(self):
        library = Path(environment.TTMEM).parent / "libttmem.so"
        self.assert_forty(self.pytest("test_forty.py", "--ttmem", "--ttmem-limit-leaks=0", LD_PRELOAD=str(library)))

    def test_the_exit_code_stays_pytests(self):
        self.assertEqual(self.pytest("test_forty.py", "--ttmem", "-k", "no_such_test").code, 5)
        self.assertEqual(self.pytest("no_such_file.py", "--ttmem").code, 4)
        self.assertEqual(self.pytest("test_forty.py", "--ttmem", "--collect-only").code, 0)


class Trouble(PluginTest):
    def test_lost_events_are_no_verdict(self):
        outcome = self.pytest("test_trouble.py", "--ttmem", "-k", "lost", TTMEM_RING_BYTES="4096")
        self.assert_by_name(outcome)
        self.assertRegex(outcome.text, r"inconclusive for 2 of them: events were lost")
        self.assertNotRegex(outcome.text, r" 0 lost")

    def test_a_follower_that_is_gone_leaves_no_limit_unchecked(self):
        outcome = self.pytest("test_trouble.py", "--ttmem", "-k", "killed")
        self.assert_by_name(outcome)
        self.assertIn("device memory: nothing is known of it: ", outcome.messages["test_fails_when_killed"])
        # Why it is not there may be told in two ways, by how soon it went.
        counts = [int(count) for count in re.findall(r"inconclusive for (\d+) of them", outcome.text)]
        self.assertEqual(sum(counts), 3, outcome.text)

    def test_a_plugin_that_shows_reports_early(self):
        # The call has been shown as passed: what comes after its teardown is an error of that.
        outcome = self.pytest("test_forty.py", "--ttmem", "--ttmem-limit-leaks=0 B", "-p", "own_protocol")
        self.assertEqual(outcome.named("error"), {f"test_number[{number}]" for number in LEAKING}, outcome.text)
        self.assertIn("40 passed, 3 errors", outcome.text)
        self.assertIn("3 over a limit", outcome.text)


class Installed(PluginTest):
    def test_by_its_entry_point_and_named_beside_it(self):
        source, target = self.folder / "source", self.folder / "installed"
        shutil.copytree(environment.ROOT / "python", source)
        pip = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", target, source]
        done = subprocess.run(pip, capture_output=True, text=True)
        if done.returncode != 0:
            raise unittest.SkipTest(f"pip cannot build the package: {done.stderr.strip()[-200:]}")
        for plugin in ((), ("-p", "ttmem.pytest_plugin")):
            arguments = ("test_forty.py", "--ttmem", "--ttmem-limit-leaks=0 B")
            self.assert_forty(self.pytest(*arguments, plugin=plugin, PYTHONPATH=str(target)))


if __name__ == "__main__":
    unittest.main()
