"""pytest with the plugin, over the suites in `suites`, which use the C ABI alone."""

import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from xml.etree import ElementTree

import environment
from wheel import need

SUITES = environment.HERE / "suites"
LEAKING = {7, 19, 33}


def python_or_skip():
    return need.need(environment.python_with_pytest)


def rings_after_exit(folder, expected=0):
    """How many rings stay: pytest's command drains on until its process is gone, and removes the ring then."""
    deadline = time.monotonic() + 10
    while (count := len(list(folder.glob("*.ring")))) != expected and time.monotonic() < deadline:
        time.sleep(0.01)
    return count


class Outcome:
    """The result of one run of pytest: outcomes by test, and its text."""

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

    def pytest(self, *arguments, prefix=(), plugin=("-p", "ttmem.pytest_plugin"), rings=0, **variables):
        junit = self.folder / "junit.xml"
        junit.unlink(missing_ok=True)
        here = {"PYTHONPATH": str(environment.ROOT / "python"), "TTMEM_DIR": str(self.folder / "rings")}
        command = [*prefix, self.python, "-m", "pytest", *plugin, "-p", "no:cacheprovider", f"--junit-xml={junit}", *arguments]
        run = {"cwd": SUITES, "env": environment.clean_environment(**here | variables), "timeout": 120}
        outcome = Outcome(subprocess.run(command, capture_output=True, text=True, **run), junit)
        self.assertEqual(rings_after_exit(self.folder / "rings", rings), rings)
        return outcome

    def assert_forty(self, outcome):
        self.assertEqual(outcome.code, 1, outcome.text)
        self.assertEqual(outcome.named("failure"), {f"test_number[{number}]" for number in LEAKING}, outcome.text)
        self.assertEqual(len(outcome.named("passed")), 37)
        self.assertIn("3 failed, 37 passed", outcome.text)
        self.assertIn("40 tests, 40 with device memory, 3 with leftover allocations (248.0 KiB in total), 3 over a limit", outcome.text)
        self.assertRegex(outcome.text, r"events: [0-9,]+ reported, 0 lost")

    def assert_by_name(self, outcome):
        """Each test's name says what is expected of it."""
        expected = {"passes": "passed", "fails": "failure", "skips": "skipped", "xfails": "skipped"}
        self.assertTrue(outcome.outcomes, outcome.text)
        for name, found in outcome.outcomes.items():
            self.assertEqual(found, expected[name.split("_")[1]], f"{name}\n{outcome.text}")


class Forty(PluginTest):
    def test_exactly_the_three_that_leak_fail(self):
        outcome = self.pytest("test_forty.py", "--ttmem", "--ttmem-limit-leftover=0 B", "--ttmem-top=2")
        self.assert_forty(outcome)
        message = outcome.messages["test_number[7]"]
        self.assertIn("device memory: leftover: 2 allocations (32.0 KiB) never freed by the owner, 0 B allowed", message)
        self.assertRegex(message, r"16\.0 KiB  DRAM at 0x[0-9a-f]+ on device 1\n +__init__ \(.*device.py:\d+\)\n +\S+ \(.*test_forty.py:\d+\)")
        self.assertRegex(outcome.text, r"68\.5 KiB DRAM  call +136\.0 KiB +\+136\.0 KiB +test_forty.py::test_number\[33\]")
        self.assertIn("38 more; --ttmem-top N shows N", outcome.text)
        self.assertRegex(outcome.text, r"4\.0 MiB  fixture weights \(session\), for test_forty.py::test_number\[0\]")
        self.assertRegex(outcome.text, r"64\.0 KiB  fixture table \(module\)")
        properties = outcome.properties["test_number[7]"]
        self.assertEqual(properties["device_memory_left_behind_bytes"], "32768")
        self.assertEqual(properties["device_memory_leftover_bytes"], "32768")
        # The output, and the cycle beside it.
        self.assertEqual(properties["device_memory_peak_bytes"], str(16_384 + 512))

    def test_without_a_limit_the_summary_is_the_same(self):
        outcome = self.pytest("test_forty.py", "--ttmem")
        self.assertEqual((outcome.code, len(outcome.named("passed"))), (0, 40), outcome.text)
        self.assertIn("3 with leftover allocations (248.0 KiB in total)\n", outcome.text)

    def test_a_limit_that_is_wide_enough(self):
        outcome = self.pytest("test_forty.py", "--ttmem", "--ttmem-limit-leftover=80 KiB")
        self.assertEqual(outcome.named("failure"), {"test_number[33]"}, outcome.text)

    def test_with_xdist(self):
        outcome = self.pytest("test_forty.py", "--ttmem", "--ttmem-limit-leaks=0 B", "-n", "2")
        self.assert_forty(outcome)
        self.assertRegex(outcome.text, r"workers: gw0: \d+ tests, .* leftover; gw1: \d+ tests, .* leftover")
        counts = [int(count) for count in re.findall(r"gw\d: (\d+) tests", outcome.text)]
        self.assertEqual(sum(counts), 40)
        self.assertEqual(outcome.text.count("fixture weights (session)"), 2)

    def test_without_the_option_nothing_changes(self):
        outcome = self.pytest("test_forty.py")
        self.assertEqual((outcome.code, len(outcome.named("passed"))), (0, 40), outcome.text)
        self.assertNotIn("device memory =", outcome.text)
        self.assertFalse((self.folder / "rings").exists())


class Marks(PluginTest):
    def test_limits(self):
        outcome = self.pytest("test_limits.py", "--ttmem")
        self.assert_by_name(outcome)
        self.assertIn("added 22.9 MiB of DRAM to device 0 during call, 22.9 MiB allowed", outcome.messages["test_fails_one_byte_over"])
        ordinary = outcome.messages["test_fails_by_itself_and_not_by_its_leftover"]
        self.assertIn("an ordinary failure", ordinary)
        self.assertNotIn("allowed", ordinary)
        self.assertIn("a failed test's traceback keeps what its functions held", outcome.text)
        self.assertIn("2 xfailed", outcome.text)

    def test_limits_with_xdist(self):
        self.assert_by_name(self.pytest("test_limits.py", "--ttmem", "-n", "2"))

    def test_a_mark_is_enough(self):
        outcome = self.pytest("test_limits.py")
        self.assert_by_name(outcome)
        self.assertIn("tests, ", outcome.text.partition("device memory")[2], "with a summary")
        self.assert_by_name(self.pytest("test_limits.py", "-n", "2"))

    def test_nothing_is_measured_without_marks(self):
        outcome = self.pytest("test_forty.py")
        self.assertEqual((outcome.code, len(outcome.named("passed"))), (0, 40), outcome.text)
        self.assertNotIn("device memory", outcome.text)

    def test_a_limit_that_cannot_be_checked_fails_its_test(self):
        outcome = self.pytest("test_limits.py", "test_forty.py", TTMEM_LIBRARY="/nowhere/libttmem.so")
        marked = {name for name in outcome.outcomes if not name.startswith("test_number")}
        self.assertEqual(outcome.named("failure") | outcome.named("skipped"), marked, outcome.text)
        self.assertEqual(len(outcome.named("passed")), 40)
        line = "test_limits.py::test_passes_in_binary_units: limit_device_memory is not checked: --ttmem: ttmem.start: no libttmem.so"
        self.assertIn(line, outcome.messages["test_passes_in_binary_units"])

    def test_bad_marks_fail_their_tests_with_one_line(self):
        outcome = self.pytest("test_bad_marks.py", "--ttmem")
        self.assert_by_name(outcome)
        for name, why in {
            "test_fails_of_its_unit": "limit_device_memory: '24 XB' is no size: XB is not one of",
            "test_fails_of_its_number": "limit_device_leftover: 'many' is no size",
            "test_fails_of_its_memory": "limit_device_memory: 'L7' is no memory",
            "test_fails_without_a_size": 'limit_device_memory: it needs a size, as "24 MB"',
            "test_fails_of_its_keyword": "limit_device_leftover: it takes a size, and memory=",
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
        for option in ("--ttmem-limit-leftover", "--ttmem-limit-leaks"):
            text = self.usage_error("test_forty.py", "--ttmem", f"{option}=lots")
            self.assertIn("--ttmem-limit-leftover: 'lots' is no size", text)
            self.assertIn("--ttmem-limit-leftover needs --ttmem", self.usage_error("test_forty.py", f"{option}=1"))

    def test_the_ini_file_has_all_options(self):
        options = ("-o", "ttmem=true", "-o", "ttmem_limit_leftover=0 B", "-o", "ttmem_top=3")
        outcome = self.pytest("test_forty.py", *options)
        self.assert_forty(outcome)
        self.assertIn("37 more; --ttmem-top N shows N", outcome.text)
        self.assertIn("ttmem_top = few: no number", self.usage_error("test_forty.py", "-o", "ttmem_top=few"))
        self.assertIn("ttmem_limit_leftover: 'lots' is no size", self.usage_error("test_forty.py", *options, "-o", "ttmem_limit_leftover=lots"))

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
        outcome = self.pytest("test_trouble.py", "--ttmem", "-k", "killed", rings=1)
        self.assert_by_name(outcome)
        self.assertIn("device memory: not measured: ", outcome.messages["test_fails_when_killed"])
        # Why it is not there may be told in two ways, by how soon it went.
        counts = [int(count) for count in re.findall(r"inconclusive for (\d+) of them", outcome.text)]
        self.assertEqual(sum(counts), 3, outcome.text)

    def test_a_plugin_that_shows_reports_early(self):
        # The call has been shown as passed: what comes after its teardown is an error of that.
        outcome = self.pytest("test_forty.py", "--ttmem", "--ttmem-limit-leaks=0 B", "-p", "own_protocol")
        self.assertEqual(outcome.named("error"), {f"test_number[{number}]" for number in LEAKING}, outcome.text)
        self.assertIn("40 passed, 3 errors", outcome.text)
        self.assertIn("3 over a limit", outcome.text)


class Suppressions(PluginTest):
    LIMIT = ("--ttmem", "--ttmem-limit-leftover=0 B")

    def setUp(self):
        super().setUp()
        self.rules = self.folder / "known.txt"
        # Tests 7 and 19 leave 16 and 40 KiB on each of two devices, test 33 leaves 68.
        self.rules.write_text("# known\nsize:16KiB leak:test_number\nmemory:DRAM device:0 size:40KiB\nmemory:DRAM device:1 size:40KiB\n")

    def assert_two_are_known(self, outcome):
        self.assertEqual(outcome.named("failure"), {"test_number[33]"}, outcome.text)
        self.assertIn("1 with leftover allocations (136.0 KiB in total), 1 over a limit", outcome.text)
        self.assertIn("suppressed, and no leftover:", outcome.text)
        self.assertRegex(outcome.text, r"32\.0 KiB  2 allocations \(32\.0 KiB\) of test_forty.py::test_number\[7\], by line 2: size:16KiB leak:test_number\n")
        for line, device in ((3, 0), (4, 1)):
            self.assertIn(f"1 allocation (40.0 KiB) of test_forty.py::test_number[19], by line {line}: memory:DRAM device:{device} size:40KiB\n", outcome.text)
        properties = outcome.properties["test_number[7]"]
        self.assertEqual(properties["device_memory_leftover_bytes"], "0")
        self.assertEqual(properties["device_memory_left_behind_bytes"], "32768")

    def test_a_suppressed_leftover_passes_and_is_named(self):
        self.assert_two_are_known(self.pytest("test_forty.py", *self.LIMIT, f"--ttmem-suppressions={self.rules}"))
        self.assert_forty(self.pytest("test_forty.py", *self.LIMIT))

    def test_with_xdist_and_a_path_from_where_pytest_was_started(self):
        path = os.path.relpath(self.rules, SUITES)
        self.assert_two_are_known(self.pytest("test_forty.py", *self.LIMIT, f"--ttmem-suppressions={path}", "-n", "2"))

    def test_named_by_the_environment_or_an_ini_file(self):
        self.assert_two_are_known(self.pytest("test_forty.py", *self.LIMIT, TTMEM_SUPPRESSIONS=str(self.rules)))
        ini = self.folder / "pytest.ini"
        ini.write_text("[pytest]\nttmem_suppressions = known.txt\n")
        ini_alone = self.pytest("test_forty.py", *self.LIMIT, "-c", str(ini), "--rootdir", str(SUITES))
        self.assert_two_are_known(ini_alone)
        # The environment goes before the ini file, and the option before both.
        nothing = self.folder / "nothing.txt"
        nothing.write_text("size:1\n")
        for more in ((f"--ttmem-suppressions={nothing}",), ()):
            outcome = self.pytest("test_forty.py", *self.LIMIT, "-c", str(ini), "--rootdir", str(SUITES), *more, TTMEM_SUPPRESSIONS=str(nothing))
            self.assert_forty(outcome)

    def test_a_part_that_is_known_leaves_the_rest_a_leftover(self):
        self.rules.write_text("device:0\n")
        outcome = self.pytest("test_forty.py", *self.LIMIT, f"--ttmem-suppressions={self.rules}")
        self.assert_forty_by_half(outcome)

    def assert_forty_by_half(self, outcome):
        self.assertEqual(outcome.named("failure"), {f"test_number[{number}]" for number in LEAKING}, outcome.text)
        message = outcome.messages["test_number[7]"]
        self.assertIn("leftover: 1 allocation (16.0 KiB) never freed by the owner, 0 B allowed; 1 allocation (16.0 KiB) suppressed", message)
        self.assertNotIn("on device 0", message)

    def test_a_bad_file_is_one_line(self):
        self.rules.write_text("memory:DRAM\ncolour:red\n")
        for workers in ((), ("-n", "2")):
            for arguments, variables in (((f"--ttmem-suppressions={self.rules}",), {}), ((), {"TTMEM_SUPPRESSIONS": str(self.rules)})):
                outcome = self.pytest("test_forty.py", "--ttmem", *workers, *arguments, **variables)
                self.assertEqual(outcome.code, 4, outcome.text)
                self.assertEqual(outcome.text.count('known.txt:2: "colour" is no condition'), 1, outcome.text)
        outcome = self.pytest("test_forty.py", "--ttmem", "--ttmem-suppressions=no-such-file")
        self.assertEqual(outcome.code, 4, outcome.text)
        self.assertRegex(outcome.text, "ERROR: --ttmem: .*/no-such-file: No such file")
        self.assertIn("--ttmem-suppressions needs --ttmem", self.pytest("test_forty.py", "--ttmem-suppressions=x").text)


class Growth(PluginTest):
    def test_a_test_that_is_repeated_leaks_and_its_leftover_passes_the_limit(self):
        outcome = self.pytest("test_repeated.py", "--ttmem", "--ttmem-limit-leftover=1 MB")
        self.assert_by_name(outcome)
        self.assertRegex(outcome.text, r'Leak: 1 allocation \(2\.0 KiB\) more per iteration, over 29 marks "test_repeated.py::test_passes_and_leaks\[#\]"')
        self.assertIn("30 with leftover allocations (60.0 KiB in total)\n", outcome.text)

    def test_without_a_leak_there_is_no_such_line(self):
        for arguments in (("test_repeated.py", "-k", "clean"), ("test_limits.py",)):
            self.assertNotIn("Leak: ", self.pytest(*arguments, "--ttmem").text)

    def test_a_suppressed_leak_is_none(self):
        rules = self.folder / "known.txt"
        rules.write_text("leak:test_passes_and_leaks\n")
        outcome = self.pytest("test_repeated.py", "--ttmem", "--ttmem-limit-leftover=0 B", f"--ttmem-suppressions={rules}")
        self.assert_by_name(outcome)
        self.assertNotIn("Leak: ", outcome.text)
        self.assertIn("30 allocations (60.0 KiB) of test_repeated.py::test_passes_and_leaks[0] and 29 more, by line 1: leak:test_passes_and_leaks\n", outcome.text)


class Installed(PluginTest):
    def test_by_its_entry_point_and_named_beside_it(self):
        source, target = self.folder / "source", self.folder / "installed"
        shutil.copytree(environment.ROOT / "python", source)
        # It has the version.
        shutil.copy(environment.ROOT / "Cargo.toml", self.folder)
        need.need(need.run, "the package", *need.pip(self.python), "--target", target, source)
        for plugin in ((), ("-p", "ttmem.pytest_plugin")):
            arguments = ("test_forty.py", "--ttmem", "--ttmem-limit-leaks=0 B")
            self.assert_forty(self.pytest(*arguments, plugin=plugin, PYTHONPATH=str(target)))


if __name__ == "__main__":
    unittest.main()
