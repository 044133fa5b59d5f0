import errno

import pytest
import typer

from recsys_tf.cli.failures import (
    ExitCode,
    Failure,
    check_writable,
    explain,
    failing_with,
    reported,
)
from recsys_tf.spec import SpecError


@pytest.mark.parametrize(
    ("error", "exit_code", "text"),
    [
        (Failure("the model was not published."), 1, "error: the model was not published."),
        (Failure("bad data", ExitCode.DATA_REJECTED), 4, "error: bad data"),
        (Failure("go on later", ExitCode.INTERRUPTED), 130, "go on later"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (SpecError("RunConfig has 1 fault"), 2, "error: RunConfig has 1 fault"),
        (KeyError("`task` must be one of"), 2, "error: `task` must be one of"),
        (FileNotFoundError(errno.ENOENT, "No file", "a.yaml"), 2, "error: a.yaml: No file"),
        (PermissionError(errno.EACCES, "Not allowed", "/x"), 3, "error: /x: Not allowed"),
        (OSError(errno.EADDRINUSE, "Address already in use"), 3, "Address already in use"),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), 3, "the disk is full at /x"),
        (ModuleNotFoundError("No module", name="tfx"), 3, "the package 'tfx' is not installed"),
        (ZeroDivisionError("division by zero"), 1, "ZeroDivisionError: division by zero"),
    ],
)  # fmt: skip
def test_each_kind_of_error_has_its_code_and_sentence(error, exit_code, text):
    found_code, found_text = explain(error)
    assert found_code == exit_code
    assert text in found_text


def test_full_disk_is_seen_through_the_errors_that_wrap_it():
    wrapping = RuntimeError("HDF5 could not write")
    wrapping.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert explain(wrapping) == explain(OSError(errno.ENOSPC, "x"))
    assert explain(RuntimeError("Failed; No space left on device"))[0] == ExitCode.ENVIRONMENT


def test_reported_command_prints_one_sentence_and_exits(capsys):
    @reported
    def command():
        raise ValueError("`k` must be 1 or more, received 0.")

    with pytest.raises(typer.Exit) as ended:
        command()
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == "error: `k` must be 1 or more, received 0.\n"


def test_reported_command_passes_its_own_exits_on():
    @reported
    def command():
        raise typer.Exit(1)

    with pytest.raises(typer.Exit) as ended:
        command()
    assert ended.value.exit_code == 1


def test_failing_with_changes_the_code_and_keeps_the_text():
    with (
        pytest.raises(Failure, match="3 rows") as failed,
        failing_with(ExitCode.DATA_REJECTED, ValueError),
    ):
        raise ValueError("3 rows")
    assert failed.value.exit_code == 4


def test_folder_below_a_file_is_not_writable(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure, match="`--out` .*file/runs cannot be written: Not a directory"):
        check_writable(tmp_path / "file" / "runs", "--out")


def test_writable_folder_is_made_and_left_empty(tmp_path):
    check_writable(tmp_path / "a" / "b", "--out")
    assert list((tmp_path / "a" / "b").iterdir()) == []
