"""Gets uv, which resolves and installs in seconds what takes pip many minutes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

from tools.bootstrap.probe import run_quietly

UV_VERSION = "0.13.9"
OLDEST_USABLE = (0, 8)
_PUBLIC_INDEX = "https://pypi.org/simple"
_JSON = "application/vnd.pypi.simple.v1+json"


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


def get_uv(folder: Path) -> str:
    """Returns the path of a uv that runs, fetched into `folder` where there is none.

    By pip where the starting Python can make an environment, which honours the user's pip
    configuration; straight from the index where it cannot (Debian without python3-venv).
    """
    if found := find_uv(folder):
        return found
    try:
        subprocess.run(
            [sys.executable, "-m", "venv", "--clear", str(folder)], check=True, capture_output=True
        )
        subprocess.run(
            [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", f"uv=={UV_VERSION}"],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        download(folder)
    if found := find_uv(folder):
        return found
    raise OSError(f"uv was fetched into {folder} and does not run")


def index_url() -> str:
    """Returns the package index that the user's environment names, or the public one."""
    names = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
    return next((os.environ[name] for name in names if os.environ.get(name)), _PUBLIC_INDEX)


def pick_wheel(files: list[dict], version: str) -> dict:
    """Returns the index's entry of the x86-64 glibc wheel."""
    for file in files:
        name = file["filename"]
        if name.startswith(f"uv-{version}-") and "manylinux" in name and name.endswith("_64.whl"):
            return file
    raise OSError(f"the package index has no wheel of uv {version} for Linux on x86-64")


def download(folder: Path) -> None:
    """Takes uv's program out of its wheel, checked by the index's SHA-256."""
    page = f"{index_url().rstrip('/')}/uv/"
    request = urllib.request.Request(page, headers={"Accept": _JSON})
    with urllib.request.urlopen(request, timeout=60) as answer:
        wheel = pick_wheel(json.load(answer)["files"], UV_VERSION)
    address = urllib.parse.urljoin(page, wheel["url"])
    with urllib.request.urlopen(address, timeout=300) as answer:
        content = answer.read()
    if hashlib.sha256(content).hexdigest() != wheel["hashes"]["sha256"]:
        raise OSError(f"{wheel['filename']} arrived damaged (its SHA-256 is another one)")
    program = folder / "bin" / "uv"
    program.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        program.write_bytes(archive.read(f"uv-{UV_VERSION}.data/scripts/uv"))
    program.chmod(0o755)
