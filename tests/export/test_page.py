"""The page of `ttmem report --html` in headless Chromium, by clicks: what each of them shows is compared with the truth."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import readers
from browser import Browser, Person
from cases import TTMEM
from readers import need
from recording import MORE_CORES, Recording

KIB, MIB, MS, SECOND = 1 << 10, 1 << 20, 10**6, 10**9
# What a picture leaves free at its sides.
LEFT, RIGHT = 76, 12


def write_run(path):
    """10 s on one device. Weights of 64 MiB from the start; from 2 s to 8 s a cache of 32 MiB; and 1 MiB more each second. A region
    from 2 s to 8 s, marks at 1 s and 5 s, a refusal at 9 s. The source of one of them was written before the run, that of another after it."""
    run = Recording()
    run.process(0, 100, ["python", "train.py"])
    for name, when in (("train.py", Recording.START - SECOND), ("later.py", Recording.START + SECOND)):
        source = path.parent / name
        source.write_text("".join(f"line_{number} = '<b>{name}</b>'\n" for number in range(1, 40)))
        os.utime(source, ns=(when, when))
    frame = lambda function, line, file="train.py": {"function": function, "file": str(path.parent / file), "line": line}
    run.meta(type="sites", process=0, sites=[
        {"id": 1, "python": [frame("load", 3), frame("main", 30)]},
        {"id": 2, "python": [frame("cache", 7), frame("main", 31)]},
        {"id": 3, "python": [frame("keep", 9, "later.py"), frame("main", 32)]},
    ])
    run.event(0, 0, "capacity", memory="DRAM", address=0, size=16 * MIB, extra=8)
    run.event(0, 1 * MS, "allocate", memory="DRAM", address=0, size=64 * MIB, per_bank=8 * MIB, site=1)
    steps = [(1 * SECOND - 1, "mark", "warm")]
    steps += [(2 * SECOND - 1, "mark", "\x1fregion:begin:1:decode"), (8 * SECOND + 1, "mark", "\x1fregion:end:1")]
    steps += [(2 * SECOND, "cache", None), (8 * SECOND, "free", None), (5 * SECOND - 1, "mark", "half"), (9 * SECOND + 1, "refusal", None)]
    steps += [(second * SECOND + 2, "keep", second) for second in range(1, 10)]
    cache = dict(memory="DRAM", address=8 * MIB, size=32 * MIB, per_bank=4 * MIB, site=2)
    for ticks, kind, what in sorted(steps, key=lambda step: step[0]):
        if kind == "mark":
            run.event(0, ticks, "mark", name=what)
        elif kind == "cache":
            run.event(0, ticks, "allocate", **cache)
        elif kind == "free":
            run.event(0, ticks, "free", **cache)
        elif kind == "refusal":
            run.event(0, ticks, "out_of_memory", memory="DRAM", size=512 * MIB, per_bank=64 * MIB, site=2)
        else:
            run.event(0, ticks, "allocate", memory="DRAM", address=12 * MIB + what * MIB // 8, size=MIB, per_bank=MIB // 8, site=3)
    run.event(0, 10 * SECOND, "mark", name="done")
    clock = [{"ticks": at, "realtime_ns": Recording.START + at} for at in (0, 10 * SECOND)]
    run.status(0, clock=clock)
    run.write(path)


def write_programs(path):
    """L1 banks of 1 MiB. A buffer takes 256 KiB of each bank; a program places 128 KiB on columns 0 to 3 of rows 0 and 1, and on core
    0-2; another 700 KiB more on core 1-0, then 128 KiB higher, so that they clash. The first program is freed at last."""
    run = Recording()
    run.process(0, 100, ["python", "programs.py"])
    frame = lambda function, line: {"function": function, "file": "/home/u/programs.py", "line": line}
    run.meta(type="sites", process=0, sites=[{"id": 1, "python": [frame("keep", 3)]}, {"id": 2, "python": [frame("matmul", 9)]}])
    run.event(0, 0, "capacity", memory="L1", address=64 * KIB, size=MIB, extra=12)
    run.event(0, 1 * MS, "allocate", memory="L1", address=(64 + 1024 - 256) * KIB, size=3 * MIB, per_bank=256 * KIB, site=1)
    placed = dict(memory="CB", address=64 * KIB, size=128 * KIB, holder=5, site=2)
    run.event(0, 2 * MS, "cb_allocate", cores=(0, 0, 3, 1), extra=9, **placed)
    run.event(0, 2 * MS, "cb_allocate", cores=(0, 2, 0, 2), flags=MORE_CORES, **placed)
    run.event(0, 3 * MS, "cb_allocate", memory="CB", address=192 * KIB, size=700 * KIB, holder=6, site=2, cores=(1, 0, 1, 0), extra=1)
    run.event(0, 4 * MS, "cb_free_all", memory="CB", holder=5)
    run.event(0, 5 * MS, "mark", name="done")
    run.status(0)
    run.write(path)


def write_ranks(path):
    """Three processes, of which two are ranks of a job. Rank 1 comes first, with 64 MiB for 10 s; rank 0 has 32 MiB from 5 s on and exits at
    10 s; the third has 8 MiB from 2 s on."""
    run = Recording()
    for number, (pid, rank, mebibytes, since) in enumerate([(101, 1, 64, 0), (100, 0, 32, 5), (102, None, 8, 2)]):
        run.process(number, pid, ["python", f"work{pid}.py"])
        if rank is not None:
            run.event(number, since * SECOND, "mark", name=f"\x1ffact:rank:{rank}")
        run.event(number, since * SECOND, "allocate", memory="DRAM", address=4096, size=mebibytes * MIB)
        run.event(number, 10 * SECOND, "mark", name="done")
        run.status(number)
    run.write(path)


class InBrowser:
    """A page of what `write_recording` wrote, opened anew for each test."""

    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="ttmem-page-")
        cls.addClassCleanup(holder.cleanup)
        folder = pathlib.Path(holder.name)
        cls.write_recording(folder / "run.ttmem")
        cls.page = folder / "run.html"
        subprocess.run([TTMEM, "report", "--quiet", "--html", cls.page, folder / "run.ttmem"], check=True)
        cls.browser = need.need(Browser, folder)
        cls.addClassCleanup(cls.browser.end)

    def setUp(self):
        self.browser.open(self.page)
        self.drawn()
        self.person = Person(self.browser)
        self.addCleanup(lambda: self.browser.ask("Page.navigate", url="about:blank"))

    def text(self, selector):
        return self.browser.run(f"document.querySelector({json.dumps(selector)}).textContent")

    def drawn(self):
        """Waits for two frames: pictures have their height then."""
        self.browser.drawn()


class Page(InBrowser, unittest.TestCase):
    write_recording = staticmethod(write_run)

    def button(self, text):
        """Presses the button of the moments that has this text."""
        texts = self.browser.run("[...document.querySelectorAll('.moments button')].map(one => one.textContent)")
        at = texts.index(text)
        self.browser.run(f"document.querySelectorAll('.moments button')[{at}].dataset.test = {at}")
        self.person.press_on(f".moments [data-test='{at}']")

    def click_at(self, seconds, height=0.9, to=None):
        """Clicks on the timeline of DRAM, or drags to another time; the height is from above."""
        left, top, width, tall = self.person.box("#timeline canvas")
        x = lambda at: left + LEFT + (width - LEFT - RIGHT) * at / 10
        self.person.press(x(seconds), top + tall * height, None if to is None else x(to))

    def shown(self):
        """Allocations and bytes in the table, and its call sites."""
        rows = self.browser.run("[...document.querySelectorAll('#allocations tbody tr')].map(row => [...row.cells].map(cell => cell.firstChild ? cell.textContent : ''))")
        return self.text("#shown"), [row[6] for row in rows]

    def test_what_stands_at_the_top(self):
        self.assertIn("out of memory", self.text("#refused"))
        self.assertIn("decode", self.text("#program-regions"))

    def test_a_click_on_the_timeline_moves_everything_there(self):
        self.assertIn("10 allocations, 73.0 MiB", self.shown()[0])
        self.click_at(5.5, 0.05)
        self.assertIn("At 5.0", self.text("#moment"))
        # Weights, the cache, and what was kept from 1 s to 5 s.
        self.assertIn("7 allocations, 101.0 MiB", self.shown()[0])
        self.assertIn("7 allocations", self.text("#map-note"))
        self.assertIn("At 5.0", self.text("#flame-note"))
        self.person.press_on(".moments button[aria-label='one event back']")
        self.assertIn("6 allocations, 100.0 MiB", self.shown()[0])

    def test_buttons_for_marks_peaks_and_refusals(self):
        self.button("Peak of DRAM")
        self.assertIn("9 allocations, 103.0 MiB", self.shown()[0])
        self.button("Refusal")
        self.assertIn("9 allocations, 72.0 MiB", self.shown()[0])
        self.browser.run("{ const marks = document.querySelector('.moments select'); marks.value = 1; marks.dispatchEvent(new Event('change')); }")
        self.drawn()
        self.assertIn("1 allocation, 64.0 MiB", self.shown()[0])

    def test_a_click_on_a_source_selects_it_everywhere(self):
        # Low in the stack lies what there is most of.
        self.click_at(5.5, 0.8)
        self.assertIn("load", self.text("#selected"))
        self.assertIn("1 allocation, 64.0 MiB", self.shown()[0])
        self.person.press_on("#selected")
        self.assertIn("7 allocations", self.shown()[0])
        self.person.press_on("#sources button:nth-child(2)")
        self.assertIn("1 allocation, 32.0 MiB", self.shown()[0])

    def test_a_drag_looks_closer_at_the_fullest_moment_there(self):
        self.click_at(0.5, 0.5, to=3.5)
        self.assertIn("At 3.0", self.text("#moment"))
        self.assertIn("5 allocations, 99.0 MiB", self.shown()[0])

    def test_the_map_shows_what_is_free(self):
        self.click_at(5.5, 0.05)
        # 16 MiB a bank; weights 8, cache 4, and five of 128 KiB from 12.125 MiB on.
        self.assertIn("3.4 MiB of 16.0 MiB free per bank of 8, in 2 blocks, the largest 3.3 MiB at 0xcc0000", self.text("#map-note"))

    def test_the_table_groups_sorts_filters_and_copies(self):
        self.assertEqual(len(self.shown()[1]), 2)
        self.person.press_on("#allocations .opens")
        self.assertEqual(len(self.shown()[1]), 2 + 9)
        self.person.press_on("#allocations th[data-column=site]")
        self.assertIn("keep", self.shown()[1][0])
        self.browser.run("{ const search = document.querySelector('#allocations input'); search.value = 'load'; search.dispatchEvent(new Event('input')); }")
        self.browser.drawn()
        self.assertIn("1 of 1 row", self.shown()[0])
        self.browser.run("navigator.clipboard.writeText = text => { window.copied = text; return Promise.resolve(); }")
        self.browser.run("[...document.querySelectorAll('#allocations button')].find(one => one.textContent === 'copy as CSV').click()")
        head, row = self.browser.run("window.copied").splitlines()
        self.assertEqual(head.split(",")[:4], ["total", "number", "size", "memory"])
        self.assertEqual(row.split(",")[:4], [str(64 * MIB), "1", str(64 * MIB), "DRAM"])

    def test_flame_graphs_have_modes(self):
        def mode(number):
            self.browser.run(f"{{ const what = document.querySelector('#flame select'); what.value = {number}; what.dispatchEvent(new Event('change')); }}")
            self.browser.drawn()
            left, top, width, _ = self.person.box("#flame canvas")
            self.person.point(left + width / 2, top + 10)
            return self.browser.run("document.getElementById('tip').textContent")

        self.assertIn("73.0 MiB, 100.0 %, 10 allocations", mode(0))
        self.assertIn("73.0 MiB", mode(1))
        self.assertIn("105.0 MiB, 100.0 %, 11 allocations", mode(2))
        self.assertIn("32.0 MiB, 100.0 %, 1 allocation", mode(3))

    def test_the_call_tree_opens_from_callers_to_callees(self):
        self.person.press_on("#tree summary")
        self.drawn()
        rows = lambda: self.browser.run("[...document.querySelectorAll('#tree tbody tr')].map(row => [row.cells[0].firstChild.nextSibling.textContent, ...[...row.cells].slice(1).map(cell => cell.textContent)])")
        main = [["main train.py:30", "64.0 MiB", "1", "64.0 MiB", "64.0 MiB"], ["main train.py:32", "9.0 MiB", "9", "9.0 MiB", "9.0 MiB"],
                ["main train.py:31", "0 B", "", "32.0 MiB", "32.0 MiB"]]
        self.assertEqual(rows(), main)
        self.person.press_on("#tree tr:nth-child(2) .opens")
        self.assertEqual(rows(), [*main[:2], ["keep later.py:9", *main[1][1:]], main[2]])
        self.assertEqual(self.browser.run("document.activeElement.getAttribute('aria-label').split(' ')[0]"), "close")
        self.click_at(5.5, 0.05)
        self.drawn()
        # At 5.5 s the cache is live, and five of the small ones.
        self.assertEqual(rows(), [main[0], ["main train.py:31", "32.0 MiB", "1", "32.0 MiB", "32.0 MiB"], ["main train.py:32", "5.0 MiB", "5", "9.0 MiB", "9.0 MiB"],
                                  ["keep later.py:9", "5.0 MiB", "5", "9.0 MiB", "9.0 MiB"]])

    def test_source_lines_are_those_that_ran(self):
        titles = self.browser.run("[...document.querySelectorAll('#allocations td.site')].map(cell => cell.title)")
        load, keep = (next(title for title in titles if function in title) for function in ("load", "keep"))
        self.assertIn("train.py:3)\n    line_3 = '<b>train.py</b>'\n", load)
        self.assertIn("\n    line_30 = '<b>train.py</b>'", load)
        self.assertNotIn("line_9", keep, "later.py was written after the program began")
        self.assertIn("\n    line_32 = '<b>train.py</b>'", keep)
        left, top, width, _ = self.person.box("#flame canvas")
        self.person.point(left + width / 3, top + 22 * 3 + 10)
        self.assertIn("line_3 = '<b>train.py</b>'", self.browser.run("document.getElementById('tip').textContent"))

    def test_on_a_phone_the_call_site_comes_first_and_nothing_is_cut_off(self):
        self.browser.ask("Emulation.setDeviceMetricsOverride", width=400, height=800, deviceScaleFactor=1, mobile=False)
        self.addCleanup(lambda: self.browser.ask("Emulation.clearDeviceMetricsOverride"))
        self.browser.open(self.page)
        self.assertEqual(self.text("#allocations th"), "Call site")
        self.assertLessEqual(self.browser.run("document.documentElement.scrollWidth"), 400)


class Cores(InBrowser, unittest.TestCase):
    write_recording = staticmethod(write_programs)

    def cells(self):
        return self.browser.run("[...document.querySelectorAll('.cores button')].map(one => one.textContent)")

    def back(self):
        """To the event before the first program was freed."""
        self.person.press_on(".moments button[aria-label='one event back']")
        self.drawn()

    def test_each_core_has_what_programs_and_buffers_take(self):
        # At the end the second program is left, on core 1-0.
        self.assertEqual(self.cells(), ["25", "88", *["25"] * 10])
        self.back()
        self.assertEqual(self.cells(), ["38", "100", "38", "38", *["38"] * 4, "38", "25", "25", "25"])
        self.assertIn("core 1-0: 100 % taken; programs 828.0 KiB, buffers 256.0 KiB, 0 B between them, clash of 60.0 KiB", self.text("#core"))
        self.assertIn("1 core has a clash", self.text("#cores-note"))

    def test_keys_go_from_core_to_core(self):
        self.back()
        chosen = lambda: self.browser.run("[document.activeElement.getAttribute('aria-label'), document.querySelectorAll('.cores button[tabindex=\"0\"]').length]")
        self.person.press_on(".cores button")
        for key, core in (("ArrowLeft", "0-0"), ("ArrowDown", "0-1"), ("ArrowDown", "0-2"), ("ArrowDown", "0-2"), ("End", "3-2"), ("ArrowRight", "3-2"), ("Home", "0-2")):
            for kind in ("keyDown", "keyUp"):
                self.browser.send("Input.dispatchKeyEvent", type=kind, key=key, code=key)
            self.drawn()
            label, stops = chosen()
            self.assertTrue(label.startswith(f"core {core}:"), (key, label))
            self.assertEqual(stops, 1)
        self.assertIn("core 0-2: 38 % taken; programs 128.0 KiB, buffers 256.0 KiB, 640.0 KiB between them", self.text("#core"))
        rows = self.browser.run("[...document.querySelectorAll('#cores tbody tr')].map(row => [...row.cells].slice(0, 3).map(cell => cell.textContent))")
        self.assertEqual(rows, [["256.0 KiB", "buffer", "0xd0000"], ["640.0 KiB", "free", "0x30000"], ["128.0 KiB", "circular buffer", "0x10000"]])


class Ranks(InBrowser, unittest.TestCase):
    write_recording = staticmethod(write_ranks)

    def buttons(self):
        return self.browser.run("[...document.querySelectorAll('.processes button')].map(one => [one.getAttribute('aria-label').split(';')[0], one.getAttribute('aria-pressed')])")

    def test_ranks_come_in_their_order_and_a_click_shows_one(self):
        names = ["rank 0 · python work100.py  pid 100: DRAM peak 32.0 MiB, at the end 32.0 MiB",
                 "rank 1 · python work101.py  pid 101: DRAM peak 64.0 MiB, at the end 64.0 MiB",
                 "python work102.py  pid 102: DRAM peak 8.0 MiB, at the end 8.0 MiB"]
        self.assertEqual([name for name, _ in self.buttons()], names)
        for at in (2, 0):
            self.person.press_on(f".processes button:nth-child({at + 1})")
            self.drawn()
            self.assertEqual(self.buttons(), [[name, str(at == number).lower()] for number, name in enumerate(names)])
            self.assertIn(f"pid {(100, 101, 102)[at]}", self.text("#summary"))
            self.assertIn(("32.0 MiB", "64.0 MiB", "8.0 MiB")[at], self.text("#shown"))
            self.assertEqual(self.browser.run("document.activeElement.getAttribute('aria-pressed')"), "true")

    def test_the_whole_is_their_sum_on_one_time_axis(self):
        left, top, width, tall = self.person.box("#processes canvas")
        for seconds, total, names in ((1, "64.0 MiB", 1), (4, "72.0 MiB", 2), (7, "104.0 MiB", 3)):
            self.person.point(left + LEFT + (width - LEFT - RIGHT) * seconds / 10, top + tall / 2)
            first, *rest = self.browser.run("document.getElementById('tip').textContent").splitlines()
            self.assertTrue(first.endswith(f"{total} of DRAM"), first)
            self.assertEqual(len(rest), names)


class Types(unittest.TestCase):
    def test_the_scripts_fit_their_types(self):
        scripts = sorted((readers.ROOT / "reader" / "src" / "html" / "page").glob("*.js"))
        for script in scripts:
            self.assertLess(len(script.read_text().splitlines()), 400, script.name)
        compiler = need.need(readers.node) / "node_modules" / "typescript" / "bin" / "tsc"
        options = ["--noEmit", "--allowJs", "--checkJs", "--target", "es2022", "--lib", "dom,dom.iterable,es2022"]
        done = subprocess.run([shutil.which("node"), compiler, *options, *scripts], capture_output=True, text=True)
        self.assertEqual(done.stdout, "")


if __name__ == "__main__":
    unittest.main()
