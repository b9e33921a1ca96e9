"""Puts the built parts into the wheel: what `make install` installs goes to the same places below the environment's folder.

`make wheel` sets TTMEM_WHEEL_FILES (an installation's folder) and TTMEM_WHEEL_PLATFORM. Without them the wheel is pure Python.
"""

import os
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BuiltParts(BuildHookInterface):
    def initialize(self, version, build_data):
        if not os.environ.get("TTMEM_WHEEL_FILES"):
            return
        files = Path(os.environ["TTMEM_WHEEL_FILES"])
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{os.environ['TTMEM_WHEEL_PLATFORM']}"
        build_data["shared_scripts"][str(files / "bin" / "ttmem")] = "ttmem"
        for folder in ("include", "lib", "share"):
            if (files / folder).is_dir():
                build_data["shared_data"][str(files / folder)] = folder
