import socket

import pytest


@pytest.mark.parametrize("given", [[], ["--target", "127.0.0.1:1", "--model-dir", "models"]])
def test_exactly_one_place_is_asked(call, given):
    result = call("recommend", "--user", "1", *given)
    assert result.exit_code == 2
    assert "give either `--target` or `--model-dir`" in result.stderr


def test_context_is_name_and_value(call):
    result = call("recommend", "--user", "1", "--target", "127.0.0.1:1", "--context", "hour")
    assert result.exit_code == 2
    assert "`--context` must be NAME=VALUE, received 'hour'" in result.stderr


def test_server_that_is_not_there_is_one_sentence(call):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    result = call("recommend", "--user", "1", "--target", f"127.0.0.1:{port}", "--timeout-s", 2)
    assert result.exit_code == 1
    assert f"no model server answers at 127.0.0.1:{port}" in result.stderr
    assert "Traceback" not in result.stderr


def test_folder_without_a_model_says_how_to_make_one(call, tmp_path):
    result = call("recommend", "--user", "1", "--model-dir", tmp_path)
    assert result.exit_code == 2
    assert "holds no version folder with a SavedModel" in result.stderr


def test_serving_needs_a_folder(call, tmp_path):
    result = call("serve", "--model-dir", tmp_path / "nothing")
    assert result.exit_code == 2
    assert "is no folder" in result.stderr


def test_serving_on_a_port_in_use_is_one_sentence(call, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = call("serve", "--model-dir", tmp_path, "--port", port, "--rest-port", -1)
    assert result.exit_code == 3
