"""Headless Chromium, driven through its pipe by mouse and keys as from outside."""

import json
import os
import shutil
import subprocess
import time

from readers import Unavailable


class Browser:
    """Chromium, spoken to as its developer tools do: JSON that ends in a zero byte, on its descriptors 3 and 4."""

    def __init__(self, folder):
        program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        if not program:
            raise Unavailable("no chromium on PATH")
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

    def open(self, page):
        """Opens a file, and waits until its script is done."""
        self.ask("Page.navigate", url=f"file://{page}")
        deadline = time.monotonic() + 60
        while self.run("document.documentElement?.dataset.ready") != "yes":
            assert time.monotonic() < deadline, "the page is not ready after a minute"
            time.sleep(0.02)

    def drawn(self):
        """Waits for two frames: what came before them is on the screen then."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

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

    def point(self, x, y):
        """Puts the mouse there; returns when the page has seen it and drawn what it does."""
        self.browser.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.browser.drawn()

    def press(self, x, y, to=None):
        """A click, or a drag to another x."""
        self.mouse("mousePressed", x, y, button="left", clickCount=1)
        if to is not None:
            for step in range(1, 6):
                self.mouse("mouseMoved", x + (to - x) * step / 5, y, button="left")
        self.mouse("mouseReleased", x if to is None else to, y, button="left", clickCount=1)
        self.browser.drawn()

    def press_on(self, selector):
        left, top, width, height = self.box(selector)
        self.press(left + width / 2, top + height / 2)

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
