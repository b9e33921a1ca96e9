"""How smooth the page of `ttmem report --html` is in headless Chromium: not a test, since its figures are those of a machine.

    python3 smoothness.py [EVENTS] [PAGE]      1,000,000 events; a page that is there already is not made anew

For each thing that a person does: the time between frames (median, 95 of 100, worst), the longest that an event was at work, and the
longest from an event to the frame that shows what it did (8 ms at least; told in steps of 8). Chromium is driven through its pipe, by mouse and keys as from outside.
"""

import pathlib
import random
import subprocess
import sys
import tempfile
import time

from browser import Browser, Person
from cases import TTMEM
from recording import Recording

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
            browser.open(page)
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
                ("search the allocations", lambda: person.type("#allocations input", "layer_12 dram")),
                ("sort the allocations", lambda: person.click("#allocations th:nth-child(5)")),
                ("another moment", lambda: person.press_on(".moments button[aria-label='one event back']")),
                ("stacked by another source", lambda: person.choose("#by")),
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
