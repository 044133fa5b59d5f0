import importlib.metadata
import json

import pytest

from recsys_tf.cli import doctor, installed
from recsys_tf.cli.failures import Failure

DECLARED = ["numpy>=1.26", "tfx>=1.16,<1.22; extra == 'pipeline'", "ruff>=0.9; extra == 'dev'"]


@pytest.fixture
def installed_versions(monkeypatch):
    """Sets what is installed."""
    versions = {"numpy": "1.26.4", "tfx": "1.16.0"}

    def version(name):
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "requires", lambda name: DECLARED)
    monkeypatch.setattr(importlib.metadata, "version", version)
    return versions


def test_all_there_is_exit_code_0(call, installed_versions):
    result = call("doctor")
    assert result.exit_code == 0, result.stdout
    assert "Everything needed is here." in result.stdout
    assert "ruff" not in result.stdout


def test_missing_extra_is_told_with_the_way_to_get_it_and_is_no_fault(call, installed_versions):
    del installed_versions["tfx"]
    result = call("doctor")
    assert result.exit_code == 0
    assert "pip install 'recsys_tf[pipeline]'" in result.stdout


def test_missing_core_package_is_exit_code_1(call, installed_versions):
    del installed_versions["numpy"]
    result = call("doctor")
    assert result.exit_code == 1
    assert "needed: numpy missing" in result.stdout


def test_version_out_of_range_is_told(call, installed_versions):
    installed_versions["numpy"] = "1.20.0"
    result = call("doctor", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["faults"] == ["numpy not in the range"]


def test_package_that_is_not_installed_itself_is_told(call, monkeypatch):
    def nothing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", nothing)
    result = call("doctor")
    assert result.exit_code == 3
    assert "is not installed" in result.stderr


def test_other_c_library_is_no_glibc(monkeypatch):
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    assert doctor.machine_facts()["C library"] == "not glibc"


@pytest.mark.parametrize(
    ("libc", "line"),
    [
        (("glibc", "2.41"), "tfx 1.21"),
        (("glibc", "2.39"), "tfx 1.21"),
        (("glibc", "2.36"), "tfx 1.16"),
        (("", ""), "tfx 1.16"),
    ],
)
def test_glibc_chooses_the_line(monkeypatch, libc, line):
    monkeypatch.setattr("platform.libc_ver", lambda: libc)
    assert doctor.line_of_machine() == line


def test_command_that_needs_an_absent_extra_says_so_at_once(installed_versions):
    installed.require("pipeline", "demo")
    del installed_versions["tfx"]
    with pytest.raises(Failure, match="`recsys-tf demo` needs tfx") as failed:
        installed.require("pipeline", "demo")
    assert failed.value.exit_code == 3
