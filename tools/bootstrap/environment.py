"""`.venv`: whether it is what the checkout asks for, and how it is made."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.bootstrap.choose import Interpreter, Line, dotted

_STAMP = "recsys_tf.json"
_PROMPT = "recsys_tf"
_PACKAGES = ("recsys_tf", "pipeline", "serving")
# What the environment depends on besides the pinned set.
_SOURCES = ("setup.py", "pyproject.toml", "tools/bootstrap/environment.py")


class InstallFailed(Exception):
    """uv could not finish; its own lines above say why."""


def key(root: Path, line: Line) -> str:
    """Returns a digest of everything that decides what is installed."""
    digest = hashlib.sha256(line.name.encode())
    for name in (line.pinned, *_SOURCES):
        digest.update(hashlib.sha256((root / name).read_bytes()).digest())
    present = [name for name in _PACKAGES if (root / name / "__init__.py").exists()]
    # An editable install maps the packages that were there when it was made.
    digest.update(json.dumps([present, str(root)]).encode())
    return digest.hexdigest()


def state(root: Path, line: Line) -> str:
    """Returns "absent", "foreign" (not made by this command), "stale" or "ready"."""
    venv = root / ".venv"
    if not venv.exists():
        return "absent"
    config = venv / "pyvenv.cfg"
    if not config.exists() or f"prompt = {_PROMPT}" not in config.read_text(encoding="utf-8"):
        return "foreign"
    try:
        stamp = json.loads((venv / _STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "stale"
    runs = os.access(venv / "bin" / "python", os.X_OK)
    return "ready" if runs and stamp.get("key") == key(root, line) else "stale"


@contextmanager
def told(what: str) -> Iterator[None]:
    """Says what is being done, and how long it took."""
    print(f"  {what} ...", flush=True)
    start = time.monotonic()
    yield
    print(f"    took {time.monotonic() - start:.0f} s", flush=True)


def uv_environment(root: Path) -> dict[str, str]:
    """Returns the environment that uv runs in."""
    kept = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH")}
    if ssl.get_default_verify_paths().cafile:
        # pip trusts what the system trusts (a company's own authority, say); let uv do the same.
        kept.setdefault("UV_SYSTEM_CERTS", "1")
    # An interpreter that uv has to bring stays inside the checkout.
    return kept | {"UV_PYTHON_INSTALL_DIR": str(root / ".cache" / "python")}


def run_uv(uv: str, *arguments: str, root: Path) -> None:
    """Runs uv, passing on what it says but for its list of every package."""
    process = subprocess.Popen(
        [uv, *arguments],
        cwd=root,
        env=uv_environment(root),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None  # given as a pipe just above
    with process:
        for text in process.stdout:
            if text.strip() and not text.startswith((" + ", " ~ ", " - ")):
                print(f"    {text.rstrip()}", flush=True)
    if process.returncode:
        raise InstallFailed(
            f"uv {arguments[0]} ended with {process.returncode}: the lines above say why. "
            "Nothing is half done: run the same command again once that is mended."
        )


def make(root: Path, uv: str, line: Line, python: Interpreter) -> None:
    """Makes `.venv` anew; the stamp is written last, so that a broken-off run is done again."""
    venv = root / ".venv"
    venv_python = str(venv / "bin" / "python")
    with told(f"making .venv with Python {dotted(python.version)} ({python.path})"):
        options = ("--quiet", "--clear", "--prompt", _PROMPT, "--python", python.path)
        run_uv(uv, "venv", *options, str(venv), root=root)
    with told(f"installing {line.pinned} (the first time downloads about 1 GB)"):
        run_uv(uv, "pip", "install", "--python", venv_python, "-r", line.pinned, root=root)
    with told("installing recsys_tf from this checkout"):
        run_uv(
            uv, "pip", "install", "--quiet", "--python", venv_python,
            "--no-deps", "--no-build-isolation", "--editable", str(root), root=root,
        )  # fmt: skip
    made = {"key": key(root, line), "line": line.name, "python": dotted(python.version)}
    (venv / _STAMP).write_text(json.dumps(made) + "\n", encoding="utf-8")


def managed_python(uv: str, line: Line, root: Path) -> str | None:
    """Has uv bring an interpreter of its own, and returns its path; None where it cannot."""
    minor = dotted(line.pythons[0])
    with told(f"no suitable Python here: asking uv for its own Python {minor}"):
        try:
            run_uv(uv, "python", "install", minor, root=root)
        except InstallFailed:
            return None
    found = subprocess.run(
        [uv, "python", "find", "--managed-python", minor],
        env=uv_environment(root),
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or None
