"""The page of `ttmem diff --html` in headless Chromium, by clicks: what each of them shows is compared with the truth."""

import json
import pathlib
import subprocess
import tempfile
import unittest

from browser import Browser, Person
from cases import TTMEM
from readers import need
from recording import Recording

MIB, SECOND = 1 << 20, 10**9
# What a picture leaves free at its sides.
LEFT, RIGHT = 76, 12


def write_run(path, pace, weights, caches, steps=4):
    """`steps` steps of `pace` seconds, each after a mark. Weights live throughout, and each step makes 1 MiB that stays; in B there
    are caches of 8 MiB on both devices, and the weights are other ones."""
    run = Recording()
    run.process(0, 100, ["python", "train.py"])
    run.pool(0, 0, [0, 1])
    frame = lambda function, line: {"function": function, "file": "/home/u/train.py", "line": line}
    run.meta(type="sites", process=0, sites=[
        {"id": 1, "python": [frame("load", 3), frame("main", 30)]},
        {"id": 2, "python": [frame("cache", 7), frame("main", 31)]},
        {"id": 3, "python": [frame("keep", 9), frame("main", 32)]},
    ])
    make = lambda ticks, site, address, size: run.event(
        0, ticks, "allocate", memory="DRAM", pool=0, address=address, size=size, per_bank=size // 8, site=site)
    make(1000, 1, 0, weights)
    for step in range(steps):
        begin = (1 + step) * pace * SECOND
        run.event(0, begin, "mark", name=f"step {step}")
        make(begin + SECOND // 2, 3, weights // 8 + step * MIB // 8, MIB)
    for cache in range(caches):
        make(begin + SECOND // 2 + 1 + cache, 2, weights + cache * MIB, 8 * MIB)
    end = (1 + steps) * pace * SECOND
    run.event(0, end, "mark", name="done")
    run.status(0, clock=[{"ticks": at, "realtime_ns": Recording.START + at} for at in (0, end)])
    run.write(path)


class Versus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="ttmem-versus-")
        cls.addClassCleanup(holder.cleanup)
        cls.folder = pathlib.Path(holder.name)
        # A lasts 10 s and B 20 s.
        write_run(cls.folder / "a.ttmem", 2, 64 * MIB, 0)
        write_run(cls.folder / "b.ttmem", 4, 48 * MIB, 2)
        cls.page = cls.diff("page.html", "a.ttmem", "b.ttmem")
        cls.browser = need.need(Browser, cls.folder)
        cls.addClassCleanup(cls.browser.end)

    @classmethod
    def diff(cls, page, *arguments):
        path = cls.folder / page
        subprocess.run([TTMEM, "diff", "--quiet", "--html", path, *arguments], cwd=cls.folder, check=True)
        return path

    def setUp(self):
        self.open(self.page)
        self.person = Person(self.browser)
        self.addCleanup(lambda: self.browser.ask("Page.navigate", url="about:blank"))

    def open(self, page):
        self.browser.open(page)
        self.drawn()

    def drawn(self):
        self.browser.drawn()

    def text(self, selector):
        return self.browser.run(f"document.querySelector({json.dumps(selector)}).textContent")

    def set(self, selector, value, kind="change"):
        self.browser.run(f"{{ const node = document.querySelector({json.dumps(selector)}); node.value = {json.dumps(value)}; node.dispatchEvent(new Event('{kind}')); }}")
        self.drawn()

    def rows(self):
        return self.browser.run("[...document.querySelectorAll('#changes tbody tr')].map(row => [...row.cells].map(cell => cell.textContent))")

    def tip(self, selector, x, y):
        """What is said where the mouse is; of x the part of the axis, of y that of the height."""
        left, top, width, tall = self.person.box(selector)
        self.person.point(left + LEFT + (width - LEFT - RIGHT) * x, top + tall * y)
        return self.text("#tip")

    def test_the_answer_and_the_table(self):
        self.assertEqual(self.browser.run("document.title"), "±0 – ttmem diff")
        truth = {("-128.0 MiB", "2 to 0", "went", "64.0 MiB"), ("+96.0 MiB", "0 to 2", "appeared", "48.0 MiB"),
                 ("+32.0 MiB", "0 to 4", "appeared", "8.0 MiB")}
        self.assertEqual({tuple(row[:4]) for row in self.rows()}, truth)
        self.assertEqual(self.rows()[0][0], "-128.0 MiB", "the largest change first, whichever way it went")
        self.assertIn("3 rows of 3, ±0", self.text("#shown"))
        self.assertIn("Alike in both: 8 allocations, 8.0 MiB", self.text("#summary"))
        self.set("#changes input", "cache", "input")
        self.assertEqual([row[0] for row in self.rows()], ["+32.0 MiB"])
        self.assertIn("cache train.py:7 ← main train.py:31", self.rows()[0][6])

    def test_a_click_on_a_heading_sorts(self):
        self.person.press_on("#changes th[data-column=size]")
        self.assertEqual([row[3] for row in self.rows()], ["64.0 MiB", "48.0 MiB", "8.0 MiB"])
        self.person.press_on("#changes th[data-column=size]")
        self.assertEqual([row[3] for row in self.rows()], ["8.0 MiB", "48.0 MiB", "64.0 MiB"])

    def test_times_and_marks(self):
        # The axis ends with B, at 20 s: at 5 s A has made two steps, and B one.
        told = self.tip("#timeline canvas", 5 / 20, 0.5)
        self.assertIn("A at 5.00", told)
        self.assertIn(": 66.0 MiB", told)
        self.assertIn(": 49.0 MiB", told)
        self.assertIn("B has -17.0 MiB", told)
        self.assertIn("by mark: 5 in both", self.text("#way"))
        self.set("#way", 1)
        # Now it ends with A, at 10 s, and B's 9 s lie over A's 4.5: both in step 1, of which 2.5 s are 1 s in both.
        told = self.tip("#timeline canvas", 4.8 / 10, 0.5)
        self.assertRegex(told, r"A at 4\.8\d* s: 66\.0 MiB")
        self.assertRegex(told, r"B at 9\.6\d* s: 50\.0 MiB")
        self.assertIn("B has -16.0 MiB", told)

    def test_the_peaks_are_named(self):
        self.assertEqual(self.text("[data-peak=DRAM]"), "peak of B ±0")
        legend = self.text("#timeline .legend")
        self.assertIn("peak 68.0 MiB", legend)
        self.assertIn("B (dashed)", legend)

    def test_a_drag_looks_closer(self):
        left, top, width, tall = self.person.box("#timeline canvas")
        at = lambda part: left + LEFT + (width - LEFT - RIGHT) * part
        self.person.press(at(0), top + tall / 2, at(0.5))
        self.assertRegex(self.tip("#timeline canvas", 0.5, 0.5), r"A at (5\.0|4\.9)")

    def test_the_flame_graph_is_red_and_blue_and_signed(self):
        left, top, width, _ = self.person.box("#flame canvas")
        self.person.point(left + width / 2, top + 10)
        self.assertIn("B has ±0: 128.0 MiB more here, 128.0 MiB less there", self.text("#tip"))
        # Below "main": load (both ways), then cache. Each is as wide as what came and went.
        row = lambda number: top + 22 * number + 11
        self.person.point(left + width * 0.5, row(3))
        self.assertIn("load", self.text("#tip"))
        self.assertIn("B has -32.0 MiB: 96.0 MiB more here, 128.0 MiB less there", self.text("#tip"))
        self.person.point(left + width * 0.95, row(3))
        self.assertIn("B has +32.0 MiB", self.text("#tip"))
        blue, red = self.pixel(left + width * 0.86, row(3)), self.pixel(left + width * 0.97, row(3))
        self.assertGreater(blue[2], blue[0], "less is blue")
        self.assertGreater(red[0], red[2], "more is red")
        # A click shows its rows alone, until Escape.
        self.person.press(left + width * 0.95, row(3))
        self.assertIn("1 row of 3, +32.0 MiB", self.text("#shown"))
        self.browser.send("Input.dispatchKeyEvent", type="keyDown", key="Escape", code="Escape", windowsVirtualKeyCode=27)
        self.drawn()
        self.assertIn("3 rows of 3", self.text("#shown"))

    def test_the_flame_graph_by_number(self):
        self.set("#flame select", 1)
        left, top, width, _ = self.person.box("#flame canvas")
        self.person.point(left + width / 2, top + 10)
        self.assertIn("B has +4 allocations: 6 allocations more here, 2 allocations less there", self.text("#tip"))

    def pixel(self, x, y):
        return self.browser.run(
            f"(() => {{ const node = document.querySelector('#flame canvas'), box = node.getBoundingClientRect(), part = node.width / box.width;"
            f" return [...node.getContext('2d').getImageData(({x} - box.left) * part, ({y} - box.top - 8) * part, 1, 1).data]; }})()")

    def test_two_marks_of_one_run_have_one_timeline(self):
        self.open(self.diff("marks.html", "--from", "step 1", "--to", "done", "b.ttmem"))
        self.assertIn("A, B: ", self.text("#timeline .legend"))
        self.assertFalse(self.browser.run("document.querySelector('#way') !== null"))
        self.assertEqual(sorted(row[0] for row in self.rows()), ["+32.0 MiB", "+6.0 MiB"])

    def test_a_report_in_json_has_no_timeline(self):
        subprocess.run([TTMEM, "report", "--quiet", "--json", "a.json", "a.ttmem"], cwd=self.folder, check=True)
        self.open(self.diff("json.html", "a.json", "b.ttmem"))
        self.assertIn("A report in JSON has no events", self.text("#timeline"))
        self.assertEqual(len(self.rows()), 3)

    def test_names_stay_text_and_a_phone_cuts_nothing_off(self):
        self.browser.ask("Emulation.setDeviceMetricsOverride", width=400, height=800, deviceScaleFactor=1, mobile=False)
        self.addCleanup(lambda: self.browser.ask("Emulation.clearDeviceMetricsOverride"))
        self.open(self.page)
        self.assertLessEqual(self.browser.run("document.documentElement.scrollWidth"), 400)
        self.assertEqual(self.text("#changes th"), "Call site")
        self.assertIn("default-src 'none'", self.page.read_text())


if __name__ == "__main__":
    unittest.main()
