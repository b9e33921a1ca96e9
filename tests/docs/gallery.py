"""Photographs the page in the situations that it is for, to be looked at after a change. Nothing of it is committed.

    python3 tests/docs/gallery.py FOLDER [NAME…]

Each scene is a real run of ttnn on mock chips, in headless Chromium: light, dark, as a phone has it, with 8 and 32 devices, a refusal,
a clash, a leak, two runs side by side. Needs `make build`.
"""

import base64
import pathlib
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "export"))

import browser  # noqa: E402
import runs  # noqa: E402

WIDE, PHONE = (1280, 3600), (390, 5200)
GALAXY = """
import ttnn
mesh = ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(8, 4))
def tensor(rows, memory):
    return ttnn.empty((1, 1, rows, 2048), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=mesh, memory_config=memory)
weights = [tensor(4096, ttnn.DRAM_MEMORY_CONFIG) for _ in range(4)]
for rows in (512, 1024, 2048):
    hidden = tensor(rows, ttnn.L1_MEMORY_CONFIG)
    hidden = ttnn.softmax(ttnn.add(hidden, hidden), dim=-1)
"""

# Name: mock chips, what is recorded, the page of it, the size of the window, the colours.
SERVER = ["record --quiet -o run.ttmem -- python server.py", "report --quiet --html page.html run.ttmem"]
ONE = "report --quiet --html page.html run.ttmem"
SCENES = {
    "eight-light": ("blackhole-8", SERVER, WIDE, "light"),
    "eight-dark": ("blackhole-8", SERVER, WIDE, "dark"),
    "phone": ("blackhole-8", SERVER, PHONE, "light"),
    "thirty-two": ("blackhole-32", ["record --quiet -o run.ttmem -- python galaxy.py", ONE], WIDE, "light"),
    "refusal": ("blackhole-1", ["record --quiet -o run.ttmem -- python fragmentation.py truth", ONE], WIDE, "light"),
    "clash": ("blackhole-8", ["record --quiet -o run.ttmem -- python clash.py truth", ONE], WIDE, "light"),
    "leak": ("blackhole-1", ["record --quiet -o run.ttmem -- python leaking_model.py truth list", ONE], WIDE, "light"),
    "two-runs": ("blackhole-1", ["record --quiet -o a.ttmem -- python model.py", "record --quiet -o b.ttmem -- python model.py fixed",
                                 "diff --quiet --html page.html a.ttmem b.ttmem"], (1280, 1500), "light"),
}


def photograph(page, size, scheme, folder):
    chromium = browser.Browser(pathlib.Path(folder, "browser"))
    try:
        width, height = size
        chromium.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        chromium.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        chromium.open(page)
        chromium.drawn()
        return base64.b64decode(chromium.ask("Page.captureScreenshot", format="png")["data"])
    finally:
        chromium.end()


def make(name):
    cluster, lines, size, scheme = SCENES[name]
    with runs.ttnn(cluster) as here:
        for program in (ROOT / "tests" / "ttnn").glob("*.py"):
            shutil.copy(program, here.folder)
        pathlib.Path(here.folder, "galaxy.py").write_text(GALAXY)
        for line in lines:
            here.run(["ttmem", *line.split()])
        pathlib.Path(here.folder, "browser").mkdir()
        return photograph(pathlib.Path(here.folder, "page.html"), size, scheme, here.folder)


def main(folder, *names):
    unknown = set(names) - set(SCENES)
    if unknown:
        sys.exit(f"gallery.py: no scene {', '.join(sorted(unknown))}; there are {', '.join(SCENES)}")
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or SCENES:
        (folder / f"{name}.png").write_bytes(make(name))
        print(folder / f"{name}.png", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__.strip())
    main(*sys.argv[1:])
