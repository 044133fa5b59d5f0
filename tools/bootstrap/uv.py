"""Gets uv, which resolves and installs in seconds what takes pip many minutes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools.bootstrap.choose import NoLineFits
from tools.bootstrap.probe import run_quietly

UV = "uv==0.13.9"
OLDEST_USABLE = (0, 8)


def is_usable(uv: str) -> bool:
    """Tells whether this uv runs and is new enough (a pyenv shim may be neither)."""
    said = re.match(r"uv (\d+)\.(\d+)", run_quietly([uv, "--version"]) or "")
    return said is not None and (int(said[1]), int(said[2])) >= OLDEST_USABLE


def find_uv(folder: Path) -> str | None:
    """Returns a uv that runs: the one fetched earlier, or the user's own."""
    for candidate in (str(folder / "bin" / "uv"), shutil.which("uv")):
        if candidate and is_usable(candidate):
            return candidate
    return None


def ways_to_fetch(python: str, folder: Path) -> list[list[list[str]]]:
    """Returns the commands to try in turn, each ending with `folder/bin/uv`."""
    install = ["-m", "pip", "install", "--quiet"]
    return [
        [
            [python, "-m", "venv", "--clear", str(folder)],
            [str(folder / "bin" / "python"), *install, UV],
        ],
        # Debian's Python cannot make an environment without python3-venv; it may have pip.
        [[python, *install, "--upgrade", "--target", str(folder), UV]],
    ]


def get_uv(folder: Path) -> str:
    """Returns the path of a uv that runs, fetched into `folder` by pip where there is none.

    Raises:
        NoLineFits: pip could not bring it; the text has pip's own words.
    """
    if found := find_uv(folder):
        return found
    words = []
    for commands in ways_to_fetch(sys.executable, folder):
        for command in commands:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                words.append((done.stderr or done.stdout).strip())
                break
        if found := find_uv(folder):
            return found
    raise NoLineFits(
        "\n".join(words)
        + f"\nuv, which installs everything else, is not on PATH, and {sys.executable} could not "
        "fetch it (its words are above). Install uv, or what that Python lacks (on Debian and "
        "Ubuntu: `apt-get install python3-venv`), or name another one: `make PYTHON=...`."
    )
