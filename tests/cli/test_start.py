import re
import subprocess
import sys

import pytest

import recsys_tf

COMMANDS = [
    "demo",
    "data",
    "train",
    "evaluate",
    "profile",
    "export",
    "serve",
    "recommend",
    "pipeline",
    "withdraw",
    "doctor",
]


def test_starting_loads_no_tensorflow_and_no_pandas():
    code = "import sys, recsys_tf.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & {"tensorflow", "keras", "pandas", "tfx", "grpc"} == set()


def test_help_lists_every_command_and_the_exit_codes(call):
    result = call("--help")
    assert result.exit_code == 0
    listed = re.findall(r"^  (\w+)  +[A-Z]", result.stdout, re.MULTILINE)
    assert listed == COMMANDS
    for code in (0, 1, 2, 3, 4, 130):
        assert re.search(rf"\b{code}\b", result.stdout.partition("Exit codes:")[2])


def test_help_cuts_no_command_off(call):
    assert "..." not in call("--help").stdout.partition("Commands:")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_use_options_that_the_command_has(call, command):
    result = call(command, "--help")
    assert result.exit_code == 0
    options = set(re.findall(r"^  (--[\w-]+)", result.stdout, re.MULTILINE))
    examples = re.findall(rf"^    recsys-tf {command}\b(.*)$", result.stdout, re.MULTILINE)
    assert examples
    for example in examples:
        assert set(re.findall(r"--[\w-]+", example)) <= options


def test_data_sets_in_the_help_are_the_ones_there_are(call):
    from recsys_tf.datasets import DATASETS, TABLES

    text = " ".join(call("train", "--help").stdout.split())
    for start, names in (("Data set", DATASETS), ("`table`", TABLES)):
        listed = re.search(rf"{start}: (.*?)\.( |$)", text)[1]
        assert set(re.split(r", | or ", listed)) == set(names)


def test_baselines_in_the_help_are_the_ones_there_are(call):
    from recsys_tf.baselines import BASELINES

    text = " ".join(call("evaluate", "--help").stdout.split())
    listed = re.search(r"Comma-separated: (.*?); or none", text)[1]
    assert set(listed.split(", ")) == set(BASELINES)


def test_version_is_the_package_s(call):
    assert call("--version").stdout == f"recsys_tf {recsys_tf.__version__}\n"


def test_unknown_option_is_wrong_usage(call):
    result = call("data", "--datset", "ml-100k")
    assert result.exit_code == 2
    assert "No such option: --datset" in result.stderr


def test_debug_shows_the_error_itself_wherever_it_stands(call):
    for arguments in (["--debug", "data", "--dataset", "x"], ["data", "--dataset", "x", "--debug"]):
        assert isinstance(call(*arguments).exception, ValueError)
