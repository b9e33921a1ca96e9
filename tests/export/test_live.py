"""The live page of `ttmem serve --page`: over HTTP by Python's own client, and in headless Chromium while a program allocates."""

import http.client
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

from browser import Browser, Person
from cases import TTMEM
from readers import need

MIB = 1 << 20
LIBRARY = pathlib.Path(TTMEM).with_name("libttmem.so")

# Does what it reads: "+ ADDRESS BYTES [MEMORY]" allocates, "- ADDRESS" frees, "* TIMES" does both again and again, "# NAME" marks; and says when it
# has reported it.
PROGRAM = """
import ctypes, sys
ttmem = ctypes.CDLL(sys.argv[1])
ttmem.report_allocation.argtypes = [ctypes.c_int32, ctypes.c_uint64, ctypes.c_uint8, ctypes.c_uint64]
ttmem.report_deallocation.argtypes = [ctypes.c_int32, ctypes.c_uint64]
for line in sys.stdin:
    what, *rest = line.split()
    if what == "+":
        ttmem.report_allocation(0, int(rest[1]), int(rest[2]) if rest[2:] else 0, int(rest[0]))
    elif what == "-":
        ttmem.report_deallocation(0, int(rest[0]))
    elif what == "*":
        for _ in range(int(rest[0])):
            ttmem.report_allocation(0, 4096, 0, 1 << 40)
            ttmem.report_deallocation(0, 1 << 40)
    else:
        ttmem.ttmem_mark(rest[0].encode())
    ttmem.ttmem_flush(5000)
    print(flush=True)
"""


class Program:
    def __init__(self, folder, *under):
        self.process = subprocess.Popen([*under, sys.executable, "-c", PROGRAM, LIBRARY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=os.environ | {"TTMEM_DIR": str(folder)})

    def do(self, *lines):
        for line in lines:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            self.process.stdout.readline()

    def end(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


class Served:
    """A program that runs, and a server that shows it."""

    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="ttmem-live-")
        cls.addClassCleanup(holder.cleanup)
        cls.folder = pathlib.Path(holder.name)

    def setUp(self):
        self.rings = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        self.program = Program(self.rings)
        self.addCleanup(self.program.end)
        self.program.do(f"+ 4096 {64 * MIB}")
        self.serve()
        self.addCleanup(self.stop)

    def serve(self):
        self.server = subprocess.Popen([TTMEM, "serve", "--page", "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True,
                                       env=os.environ | {"TTMEM_DIR": str(self.rings)})
        self.metrics, self.url = (self.server.stderr.readline().removeprefix("ttmem: ").strip() for _ in range(2))

    def stop(self):
        self.server.terminate()
        self.server.wait(20)
        self.server.stderr.close()


class Answers(Served, unittest.TestCase):
    def ask(self, path, query, method="GET"):
        client = http.client.HTTPConnection(urllib.parse.urlsplit(self.url).netloc, timeout=20)
        client.request(method, f"{path}?{query}")
        answer = client.getresponse()
        body = answer.read().decode()
        client.close()
        return answer, body

    @property
    def token(self):
        return urllib.parse.urlsplit(self.url).query

    def test_only_the_token_opens_it(self):
        self.assertRegex(self.url, r"^http://127\.0\.0\.1:\d+/page\?token=[0-9a-f]{32}$")
        for path in ("/page", "/page.json"):
            for query in ("", "token=", "token=" + "0" * 32, self.token[:-1], "x" + self.token):
                answer, body = self.ask(path, query)
                self.assertEqual(answer.status, 403, (path, query))
                self.assertNotIn("pid", body)
            answer, body = self.ask(path, self.token)
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.headers["Cache-Control"], "no-store")
            self.assertIsNone(answer.headers["Access-Control-Allow-Origin"])
        self.assertEqual(self.ask("/page", self.token, "POST")[0].status, 405)
        self.assertEqual(self.ask("/metrics", "")[0].status, 200)

    def test_the_page_asks_its_own_server_alone(self):
        _, body = self.ask("/page", self.token)
        self.assertIn("default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'\">", body)

    def test_the_numbers_are_sent_when_there_are_newer_ones(self):
        _, body = self.ask("/page.json", self.token)
        first = json.loads(body)
        [process] = first["processes"]
        self.assertEqual((process["pid"], process["sums"][0]["live"]), (self.program.process.pid, 64 * MIB))
        answer, body = self.ask("/page.json", f"{self.token}&seen={first['live']}")
        self.assertEqual((answer.status, body), (204, ""))
        self.program.do(f"+ 8192 {MIB}")
        time.sleep(0.5)
        _, body = self.ask("/page.json", f"{self.token}&seen={first['live']}")
        self.assertEqual(json.loads(body)["processes"][0]["sums"][0]["live"], 65 * MIB)

    def test_a_process_that_ends_stays_on_the_page(self):
        self.ask("/page.json", self.token)
        self.program.end()
        deadline = time.monotonic() + 20
        while True:
            [process] = json.loads(self.ask("/page.json", self.token)[1])["processes"]
            if process["ended"] != "is running":
                break
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)
        self.assertEqual(process["sums"][0]["live"], 64 * MIB)

    def test_what_a_reader_released_before_is_there(self):
        other = Program(self.rings, TTMEM, "run", "--quiet", "--")
        self.addCleanup(other.end)
        # More than the ring has room for: the checkpoint has it.
        other.do(f"+ 4096 {5 * MIB}", "* 200000", f"+ 8192 {MIB}")
        deadline = time.monotonic() + 20
        while True:
            processes = json.loads(self.ask("/page.json", self.token)[1])["processes"]
            live = [one["sums"][0]["live"] for one in processes]
            if live[1:] == [6 * MIB]:
                break
            self.assertLess(time.monotonic(), deadline, live)
            time.sleep(0.2)
        self.stop()
        self.serve()
        process = json.loads(self.ask("/page.json", self.token)[1])["processes"][1]
        self.assertEqual([row["s"] for row in process["moments"][0]["rows"]], [5 * MIB, MIB])
        steps = process["lives"]["steps"][1::2]
        births = [process["places"]["s"][place] for place in steps if place >= 0]
        self.assertLess(len(births), 200_000)
        self.assertIn(5 * MIB, births)
        self.assertEqual(len(births) - sum(place < 0 for place in steps), 2)
        self.assertEqual(process["lines"][0]["cells"][-1], 6 * MIB)

    def test_other_machines_are_refused(self):
        done = subprocess.run([TTMEM, "serve", "--page", "--listen", "0.0.0.0:0"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--page serves this machine alone", done.stderr)


class InBrowser(Served, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.browser = need.need(Browser, cls.folder)
        cls.addClassCleanup(cls.browser.end)

    def setUp(self):
        super().setUp()
        self.browser.ask("Page.navigate", url=self.url)
        self.until("document.documentElement?.dataset.ready === 'yes' && !!document.querySelector('#shown')")
        self.person = Person(self.browser)
        self.addCleanup(lambda: self.browser.ask("Page.navigate", url="about:blank"))

    def until(self, script):
        deadline = time.monotonic() + 20
        while not self.browser.run(script):
            self.assertLess(time.monotonic(), deadline, script)
            time.sleep(0.05)

    def has(self, selector, text):
        """Waits until the text is there."""
        self.until(f"(document.querySelector({json.dumps(selector)})?.textContent ?? '').includes({json.dumps(text)})")

    def text(self, selector):
        return self.browser.run(f"document.querySelector({json.dumps(selector)}).textContent")

    def test_what_is_allocated_meanwhile_appears(self):
        self.assertIn("1 allocation, 64.0 MiB", self.text("#shown"))
        self.program.do(f"+ 8192 {MIB}", "# half", f"+ 12288 {2 * MIB}")
        self.has("#shown", "3 allocations, 67.0 MiB")
        self.has("#sums tbody", "67.0 MiB")
        self.has("#moment", "Live now")
        self.has(".moments select", "half")
        self.program.do("- 8192")
        self.has("#shown", "2 allocations, 66.0 MiB")

    def test_where_one_is_looking_stays(self):
        self.program.do(f"+ 8192 {MIB}")
        self.has("#shown", "2 allocations, 65.0 MiB")
        self.person.press_on(".moments button[aria-label='one event back']")
        self.assertIn("1 allocation, 64.0 MiB", self.text("#shown"))
        self.person.press_on("#sources button")
        selected = self.text("#selected")
        left, top, width, tall = self.person.box("#timeline canvas")
        self.person.press(left + 100, top + tall / 2, left + width / 2)
        view = "JSON.stringify([shown.state.view.from, shown.state.view.to])"
        zoomed, moment = self.browser.run(view), self.text("#moment")
        self.browser.run("document.querySelector('#allocations input').focus()")
        self.browser.run("{ const search = document.querySelector('#allocations input'); search.value = 'dram'; search.dispatchEvent(new Event('input')); }")
        self.browser.run("{ const by = document.getElementById('by'); by.value = by.options.length - 1; by.dispatchEvent(new Event('change')); }")
        self.program.do(f"+ 12288 {2 * MIB}")
        self.has("#sums tbody", "67.0 MiB")
        self.assertEqual((self.text("#selected"), self.browser.run(view), self.text("#moment")), (selected, zoomed, moment))
        self.assertEqual(self.browser.run("[document.activeElement.value, document.getElementById('by').selectedOptions[0].text]"), ["dram", "a line for each device"])

    def test_the_focus_stays_on_a_button_that_is_made_anew(self):
        self.browser.run("document.querySelector(\".moments button[aria-label='one event on']\").focus()")
        self.program.do(f"+ 8192 {MIB}")
        self.has("#sums tbody", "65.0 MiB")
        self.assertEqual(self.browser.run("document.activeElement.getAttribute('aria-label')"), "one event on")

    def test_a_memory_that_comes_later_can_be_chosen(self):
        self.assertFalse(self.browser.run("!!document.querySelector('#tree select')"))
        self.program.do(f"+ 8192 {MIB} 1")
        self.has("#tree select", "L1")
        self.has("#map select[aria-label=memory]", "L1")
        self.has("#timeline", "L1")

    def test_a_paused_page_stays_as_it_is(self):
        self.person.press_on(".live button")
        self.has("#live-note", "paused")
        self.program.do(f"+ 8192 {MIB}")
        time.sleep(1.5)
        self.assertIn("1 allocation, 64.0 MiB", self.text("#shown"))
        self.person.press_on(".live button")
        self.has("#shown", "2 allocations, 65.0 MiB")

    def test_a_process_that_comes_later_can_be_chosen(self):
        other = Program(self.rings)
        self.addCleanup(other.end)
        other.do(f"+ 4096 {5 * MIB}")
        self.has("#summary select", f"pid {other.process.pid}")
        self.browser.run("{ const which = document.querySelector('#summary select'); which.value = 1; which.dispatchEvent(new Event('change')); }")
        self.has("#shown", "1 allocation, 5.0 MiB")
        other.do(f"+ 8192 {MIB}")
        self.has("#shown", "2 allocations, 6.0 MiB")

    def test_a_server_that_went_is_named(self):
        self.server.terminate()
        self.has("#live-note", "ttmem serve does not answer")
        self.assertIn("1 allocation, 64.0 MiB", self.text("#shown"))


if __name__ == "__main__":
    unittest.main()
