"""How smooth the page of `ttmem report --html` is in headless Chromium: not a test, since its figures are those of a machine.

    python3 smoothness.py [EVENTS] [PAGE]      1,000,000 events; a page that is there already is not made anew

For each thing that a person does: the time between frames (median, 95 of 100, worst), the longest that an event was at work, and the
longest from an event to the frame that shows what it did (8 ms at least; told in steps of 8). Chromium is driven through its pipe, by mouse and keys as from outside.
"""

import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import readers
from recording import Recording

TTMEM = os.environ.get("TTMEM_BIN") or str(readers.ROOT / "target" / "release" / "ttmem")
KIB = 1024

WATCH = """
window.seen = {frames: [], events: [], tasks: []};
let last = 0;
requestAnimationFrame(function each(now) { if (last) seen.frames.push(now - last); last = now; requestAnimationFrame(each); });
new PerformanceObserver(list => { for (const one of list.getEntries())
  seen.events.push([one.name, one.processingEnd - one.processingStart, one.duration]); }).observe({type: "event", durationThreshold: 16});
new PerformanceObserver(list => { for (const one of list.getEntries()) seen.tasks.push(one.duration); }).observe({type: "longtask"});
"""


def write_recording(path, events):
    """A program that keeps much: 40,000 regions and more at its fullest, each device its own, 5,000 marks, many sites."""
    chance, recording = random.Random(5), Recording()
    recording.process(0, 100, ["python", "train.py"])
    frame = lambda at, depth: {"function": f"layer_{at % 97}", "file": f"/home/user/model/part_{depth}.py", "line": at}
    recording.meta(type="sites", process=0, sites=[
        {"id": site, "python": [frame(site * depth, depth) for depth in range(1, 6)]} for site in range(1, 400)
    ])
    held, top, most = [], 1 << 20, min(40_000, events // 10)
    for number in range(events):
        ticks = number * 900
        if number % max(1, events // 5000) == 0:
            recording.event(0, ticks, "mark", name=f"step {number}")
        elif len(held) < 100 or (len(held) < most and chance.random() < 0.55):
            size = 2 * KIB * chance.randrange(1, 400)
            region = dict(memory=chance.choice(["DRAM", "L1"]), device=chance.randrange(8), address=top, size=size)
            top += size // 12 + 32
            held.append(region)
            recording.event(0, ticks, "allocate", per_bank=-(-size // 12), site=chance.randrange(1, 400), **region)
        else:
            at = chance.randrange(len(held))
            held[at], held[-1] = held[-1], held[at]
            recording.event(0, ticks, "free", **held.pop())
    recording.status(0)
    recording.write(path)


class Browser:
    """Chromium, spoken to as its developer tools do: JSON that ends in a zero byte, on its descriptors 3 and 4."""

    def __init__(self, folder):
        program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        if not program:
            raise SystemExit("no chromium on PATH")
        to_browser, self.to = os.pipe()
        self.answers, from_browser = os.pipe()
        # As 3 and 4, wherever they are now.
        first, second = os.dup(to_browser), os.dup(from_browser)
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                     "--remote-debugging-pipe", "--window-size=1280,1000", f"--user-data-dir={folder / 'browser'}"]
        shell = f'exec "$0" "$@" 3<&{first} 4>&{second}'
        self.process = subprocess.Popen(
            ["bash", "-c", shell, program, *arguments], pass_fds=(first, second), stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        for descriptor in (to_browser, from_browser, first, second):
            os.close(descriptor)
        self.number, self.rest, self.session = 0, b"", None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def send(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        return self.number

    def ask(self, method, **parameters):
        number = self.send(method, **parameters)
        while True:
            while b"\0" not in self.rest:
                self.rest += os.read(self.answers, 1 << 20)
            line, self.rest = self.rest.split(b"\0", 1)
            answer = json.loads(line)
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def run(self, script):
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def end(self):
        self.send("Browser.close")
        self.process.wait(20)


class Person:
    """Sixty events a second, whether the page keeps up or not."""

    def __init__(self, browser):
        self.browser = browser

    def box(self, selector):
        """Brought into sight: left, top, width, height."""
        return self.browser.run(
            f"(() => {{ const node = document.querySelector({json.dumps(selector)}); node.scrollIntoView({{block: 'center'}});"
            " const box = node.getBoundingClientRect(); return [box.left, box.top, box.width, box.height]; })()"
        )

    def mouse(self, kind, x, y, **more):
        self.browser.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)
        time.sleep(1 / 60)

    def scroll(self):
        self.browser.run("scrollTo(0, 0)")
        for step in range(240):
            self.mouse("mouseWheel", 400, 500, deltaX=0, deltaY=120 if step < 120 else -120)

    def hover(self, selector):
        left, top, width, height = self.box(selector)
        for step in range(180):
            self.mouse("mouseMoved", left + 80 + (width - 100) * (step * 7 % 180) / 180, top + height * (0.3 + step % 5 / 10))

    def look_closer(self, selector):
        left, top, width, height = self.box(selector)
        y = top + height / 2
        for _ in range(3):
            self.mouse("mousePressed", left + width * 0.3, y, button="left", clickCount=1)
            for step in range(30):
                self.mouse("mouseMoved", left + width * (0.3 + step / 75), y, button="left")
            self.mouse("mouseReleased", left + width * 0.7, y, button="left", clickCount=1)
        for clicks in (1, 2):
            self.mouse("mousePressed", left + width / 2, y, button="left", clickCount=clicks)
            self.mouse("mouseReleased", left + width / 2, y, button="left", clickCount=clicks)

    def type(self, selector, text):
        self.box(selector)
        self.browser.run(f"document.querySelector({json.dumps(selector)}).focus()")
        for letter in text + "\b" * len(text):
            if letter == "\b":
                key = dict(key="Backspace", code="Backspace", windowsVirtualKeyCode=8)
            else:
                key = dict(key=letter, text=letter)
            self.browser.send("Input.dispatchKeyEvent", type="keyDown", **key)
            self.browser.send("Input.dispatchKeyEvent", type="keyUp", **key)
            # A fast writer.
            time.sleep(0.1)

    def click(self, selector):
        left, top, width, height = self.box(selector)
        for _ in range(4):
            self.mouse("mousePressed", left + width / 2, top + height / 2, button="left", clickCount=1)
            self.mouse("mouseReleased", left + width / 2, top + height / 2, button="left", clickCount=1)
            time.sleep(0.3)

    def choose(self, selector):
        self.box(selector)
        for way in ("ArrowDown", "ArrowUp"):
            self.browser.run(f"document.querySelector({json.dumps(selector)}).focus()")
            code = 40 if way == "ArrowDown" else 38
            for kind in ("keyDown", "keyUp"):
                self.browser.send("Input.dispatchKeyEvent", type=kind, key=way, code=way, windowsVirtualKeyCode=code)
            time.sleep(0.5)


def figures(numbers):
    numbers = sorted(numbers) or [0]
    return numbers[len(numbers) // 2], numbers[min(len(numbers) - 1, len(numbers) * 95 // 100)], numbers[-1]


def main():
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(prefix="ttmem-smoothness-") as name:
        folder = pathlib.Path(name)
        page = pathlib.Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else folder / "run.html"
        if not page.exists():
            write_recording(folder / "run.ttmem", events)
            subprocess.run([TTMEM, "report", "--quiet", "--html", page, folder / "run.ttmem"], check=True)
        browser = Browser(folder)
        try:
            began = time.monotonic()
            browser.ask("Page.navigate", url=f"file://{page}")
            while browser.run("document.documentElement?.dataset.ready") != "yes":
                time.sleep(0.02)
            print(f"{page.stat().st_size >> 10} KiB, ready after {time.monotonic() - began:.2f} s")
            browser.run(WATCH)
            person = Person(browser)
            print(f"{'':32} frames: median  95 of 100  worst    event: at work  to the frame  slow tasks   (ms)")
            for name, act in [
                ("nothing", lambda: time.sleep(2)),
                ("scroll the page", person.scroll),
                ("hover the timeline", lambda: person.hover("#timeline canvas")),
                ("look closer at the timeline", lambda: person.look_closer("#timeline canvas")),
                ("hover the flame graph", lambda: person.hover("#flame canvas")),
                ("another flame graph", lambda: person.choose("#flame select")),
                ("hover the memory map", lambda: person.hover("#map canvas")),
                ("look closer at the map", lambda: person.look_closer("#map canvas")),
                ("another moment of the map", lambda: person.choose("#map select")),
                ("search the allocations", lambda: person.type("#allocations input", "layer_12 dram")),
                ("sort the allocations", lambda: person.click("#allocations th:nth-child(5)")),
                ("another moment of the allocations", lambda: person.choose("#allocations select")),
                ("compare other marks", lambda: person.choose("#diff select")),
            ]:
                time.sleep(0.5)
                browser.run("for (const list of Object.values(seen)) list.length = 0")
                act()
                time.sleep(0.3)
                seen = browser.run("seen")
                median, most, worst = figures(seen["frames"])
                at_work = max((event[1] for event in seen["events"]), default=0)
                to_frame = max((event[2] for event in seen["events"]), default=0)
                print(
                    f"{name:32} {median:14.1f} {most:10.1f} {worst:6.1f} {at_work:17.1f} {to_frame:13.0f} "
                    f"{len(seen['tasks']):6} of {max(seen['tasks'], default=0):.0f} at most"
                )
        finally:
            browser.end()


if __name__ == "__main__":
    main()
