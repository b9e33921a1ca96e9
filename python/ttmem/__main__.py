"""`python -m ttmem`: the command `ttmem` of this installation."""

import os
import sys

from ttmem._find import COMMAND_MISSING, find_command

if __name__ == "__main__":
    command = find_command()
    if command is None:
        sys.exit(f"ttmem: {COMMAND_MISSING}")
    os.execv(command, [str(command), *sys.argv[1:]])
