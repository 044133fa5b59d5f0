"""A tiny SavedModel, a server that serves it, and ``--target`` to ask another server instead."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def models():
    """The module models.py beside this file, wherever pytest was started."""
    path = Path(__file__).with_name("models.py")
    spec = importlib.util.spec_from_file_location("serving_test_models", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pytest_addoption(parser):
    parser.addoption(
        "--target",
        default=None,
        help="host:port of a running server (gRPC) that serves tests/serving/models.py as `tiny`",
    )
    parser.addoption("--rest_target", default=None, help="host:port of its REST port")


@pytest.fixture(scope="session")
def saved_model(models, tmp_path_factory):
    """The version folder of the tiny model, made once; copy it, do not change it."""
    path = tmp_path_factory.mktemp("saved") / "1"
    models.save_tiny(str(path))
    return path


@pytest.fixture(scope="session")
def served(request, saved_model):
    """(gRPC address, REST address) of a server with the tiny model."""
    # The options are known only where pytest was called on this folder.
    target = request.config.getoption("--target", None)
    if target:
        yield target, request.config.getoption("--rest_target")
        return
    from serving.server import ModelConfig, ServerConfig, serve

    model = ModelConfig("tiny", str(saved_model.parent), labels={"stable": 1})
    with serve(ServerConfig((model,), grpc_port=0, rest_port=0)) as server:
        assert server.wait_until_ready(30), server.problems()
        yield f"127.0.0.1:{server.grpc_port}", f"127.0.0.1:{server.rest_port}"
