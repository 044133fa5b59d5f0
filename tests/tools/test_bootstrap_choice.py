"""Which line and which interpreter the bootstrap takes, from made-up machines."""

import pytest

from tools.bootstrap.choose import (
    CURRENT,
    OLDER,
    Interpreter,
    NoLineFits,
    nothing_found,
    pick_interpreter,
    pick_line,
)


def python(*version, **facts):
    return Interpreter(f"/usr/bin/python{version[0]}.{version[1]}", version, **facts)


@pytest.mark.parametrize(
    ("glibc", "line"),
    [((2, 41), CURRENT), ((2, 39), CURRENT), ((2, 38), OLDER), ((2, 36), OLDER), ((2, 5), OLDER)],
)
def test_glibc_decides_the_line(glibc, line):
    assert pick_line("Linux", "x86_64", glibc) is line


@pytest.mark.parametrize(
    ("system", "machine", "glibc", "named"),
    [
        ("Darwin", "arm64", None, "Darwin on arm64 with no glibc"),
        ("Linux", "aarch64", (2, 39), "Linux on aarch64 with glibc 2.39"),
        ("Linux", "x86_64", None, "Linux on x86_64 with no glibc"),
    ],
)
def test_other_machines_are_told_what_may_run(system, machine, glibc, named):
    with pytest.raises(NoLineFits, match=rf"this is {named}\. .*`pip install '\.\[text\]'`"):
        pick_line(system, machine, glibc)


def test_newest_admitted_python_is_taken():
    found = [python(3, 10, 1), python(3, 14, 0), python(3, 12, 9), python(3, 9, 1)]
    assert pick_interpreter(CURRENT, found).version == (3, 12, 9)


def test_older_line_takes_python_3_10_only():
    assert pick_interpreter(OLDER, [python(3, 11, 7), python(3, 13, 0)]) is None
    assert pick_interpreter(OLDER, [python(3, 11, 7), python(3, 10, 13)]).version == (3, 10, 13)


@pytest.mark.parametrize("fact", [{"has_headers": False}, {"is_cpython": False}])
def test_python_that_cannot_build_extensions_gives_way_to_one_that_can(fact):
    found = [python(3, 13, 1, **fact), python(3, 11, 7)]
    assert pick_interpreter(CURRENT, found).version == (3, 11, 7)


def test_message_names_what_was_looked_for_and_what_to_install():
    text = str(nothing_found(OLDER, (2, 36), [python(3, 11, 7)], ["python3.10 on PATH"]))
    assert "No Python 3.10 that can build C extensions was found" in text
    assert "line tfx 1.16, which fits this machine's glibc 2.36" in text
    assert "  - python3.10 on PATH" in text
    assert "Found Python 3.11.7 at /usr/bin/python3.11." in text
    assert "`pyenv install 3.10` or `uv python install 3.10`" in text
    assert "Python.h" not in text


def test_message_names_the_missing_headers():
    headless = python(3, 13, 5, has_headers=False)
    text = str(nothing_found(CURRENT, (2, 41), [headless], []))
    assert "/usr/bin/python3.13 would do, but Python.h is missing" in text
    assert "`apt-get install python3.13-dev`" in text


def test_pinned_set_of_each_line_is_there(checkout):
    for line in (CURRENT, OLDER):
        pins = (checkout / line.pinned).read_text()
        assert f"\ntfx=={line.name.split()[1]}.0" in pins
        assert "--hash=sha256:" in pins
        # Nobody's own index or folder is written into what is committed.
        assert "://" not in pins
        assert "--find-links" not in pins.split("\n", 2)[2]
