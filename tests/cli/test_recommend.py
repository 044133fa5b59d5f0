import json
import socket
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest

from recsys_tf.config import RunConfig
from serving import Recommendation


@pytest.mark.parametrize("given", [[], ["--target", "127.0.0.1:1", "--model-dir", "models"]])
def test_exactly_one_place_is_asked(call, given):
    result = call("recommend", "--user", "1", *given)
    assert result.exit_code == 2
    assert "give either `--target` or `--model-dir`" in result.stderr


def test_context_is_name_and_value(call):
    result = call("recommend", "--user", "1", "--target", "127.0.0.1:1", "--context", "hour")
    assert result.exit_code == 2
    assert "`--context` must be NAME=VALUE, received 'hour'" in result.stderr


def test_own_data_are_told_by_a_configuration(
    call, small_synthetic, small_sections, tmp_path, monkeypatch
):
    asked = {}

    class Client:
        def metadata(self):
            return {}

        def recommend(self, users, histories, inputs, k):
            asked["history"] = histories[0]
            return [Recommendation(users[0], np.array(["f00001"]), np.ones(1), {}, 1)]

    monkeypatch.setattr("recsys_tf.cli.recommend._client", lambda *_: nullcontext(Client()))
    folder = tmp_path / "frames"
    call("data", "--dataset", "synthetic", "--out", folder)
    # Without it nothing but the configuration tells what the columns mean.
    (folder / "dataset.yaml").unlink()
    values = {"data": {"dataset": "parquet", "folder": str(folder)}, **small_sections}
    RunConfig.from_dict(values).to_yaml(tmp_path / "run.yaml")
    events = pd.read_parquet(folder / "events.parquet").sort_values("timestamp", kind="stable")
    user = events["user_id"].iloc[0]
    server = ("--target", "127.0.0.1:1", "--config", tmp_path / "run.yaml")
    result = call("recommend", "--user", user, *server, "--json")
    assert result.exit_code == 0, result.stderr
    assert list(asked["history"]) == events.loc[events["user_id"] == user, "item_id"].tolist()
    assert json.loads(result.stdout)["items"] == ["f00001"]


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
