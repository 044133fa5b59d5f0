"""New versions come in and broken ones stay out while requests run."""

import json
import os
import shutil
import threading
import time

import pytest

from pipeline.publishing import withdraw
from serving import RecommenderClient, ServingError


@pytest.fixture(scope="module")
def saved(models, tmp_path_factory):
    """Three versions to copy from: the answer to x is 2x + the version's number."""
    folder = tmp_path_factory.mktemp("versions")
    for number in (1, 2, 3):
        models.save_tiny(str(folder / str(number)), offset=float(number))
    return folder


@pytest.fixture
def start(tmp_path):
    """Starts a server on an empty base path, polled every 20 ms, and stops it at the end."""
    from serving.server import ModelConfig, ServerConfig, serve

    started = []

    def run(**options):
        config = ServerConfig(
            (ModelConfig("tiny", str(tmp_path)),),
            grpc_port=0,
            rest_port=None,
            poll_interval_s=0.02,
            load_retry_interval_s=0.05,
            **options,
        )
        started.append(serve(config))
        return started[-1], RecommenderClient(f"127.0.0.1:{started[-1].grpc_port}", "tiny")

    yield run
    for server in started:
        server.stop()


def push(saved, base, number):
    """Copies a version in under another name and renames it, as an honest publisher does."""
    shutil.copytree(saved / str(number), base / f"tmp-{number}")
    os.rename(base / f"tmp-{number}", base / str(number))


def ask(client):
    return float(client.predict("", {"x": [0.0]})["y"][0])


def states(client):
    return {entry.version: entry.state for entry in client.status()}


def wait_for(condition, timeout_s=30.0):
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("not within the time")


def manifest(folder):
    import hashlib

    files = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "manifest.json":
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            name = str(path.relative_to(folder))
            files[name] = {"sha256": digest, "bytes": path.stat().st_size}
    (folder / "manifest.json").write_text(json.dumps({"files": files}))


def test_versions_change_under_load_without_a_failed_request(saved, tmp_path, start):
    push(saved, tmp_path, 1)
    server, client = start()
    assert server.wait_until_ready(30)
    answers, errors, stop = [], [], threading.Event()

    def load():
        while not stop.is_set():
            try:
                answers.append(ask(client))
            except ServingError as error:
                errors.append(error)

    threads = [threading.Thread(target=load, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in (2, 3):
        push(saved, tmp_path, number)
        wait_for(lambda n=number: states(client).get(n) == "AVAILABLE")
        wait_for(lambda n=number: states(client).get(n - 1) == "END")
    count = len(answers)
    wait_for(lambda: len(answers) > count + 10)
    stop.set()
    for thread in threads:
        thread.join()
    assert not errors
    assert set(answers) == {1.0, 2.0, 3.0}
    assert states(client) == {3: "AVAILABLE", 2: "END", 1: "END"}


def without_graph(folder):
    (folder / "saved_model.pb").unlink()


def cut_graph(folder):
    data = (folder / "saved_model.pb").read_bytes()
    (folder / "saved_model.pb").write_bytes(data[: len(data) // 2])


def without_variables(folder):
    shutil.rmtree(folder / "variables")


def damaged_variables(folder):
    (path,) = (folder / "variables").glob("variables.data*")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def flipped_bit_in_the_graph(folder):
    manifest(folder)
    data = bytearray((folder / "saved_model.pb").read_bytes())
    data[len(data) // 2] ^= 0x01
    (folder / "saved_model.pb").write_bytes(data)


def missing_listed_file(folder):
    manifest(folder)
    next((folder / "variables").glob("variables.data*")).unlink()


def broken_warmup(folder):
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"no TFRecord at all")


BREAKS = {
    without_graph: "Could not find SavedModel .pb or .pbtxt at supplied export directory path",
    cut_graph: "saved_model.pb",
    without_variables: "does not load",
    damaged_variables: "does not load",
    flipped_bit_in_the_graph: "does not have the sha256",
    missing_listed_file: "is in manifest.json but missing",
    broken_warmup: "Please verify your warmup data is in TFRecord format.",
}


@pytest.mark.parametrize("spoil", BREAKS, ids=lambda spoil: spoil.__name__)
def test_a_broken_version_says_why_and_the_good_one_stays(saved, tmp_path, start, spoil):
    push(saved, tmp_path, 1)
    shutil.copytree(saved / "2", tmp_path / "tmp")
    spoil(tmp_path / "tmp")
    os.rename(tmp_path / "tmp", tmp_path / "2")
    # The broken version is there from the start: a restart must serve the last good one.
    server, client = start()
    assert server.wait_until_ready(30)
    wait_for(lambda: states(client) == {2: "END", 1: "AVAILABLE"})
    assert BREAKS[spoil] in client.status()[0].error
    assert ask(client) == 1.0


def test_a_version_copied_in_slowly_is_served_once_whole(saved, tmp_path, start):
    push(saved, tmp_path, 1)
    server, client = start()
    assert server.wait_until_ready(30)
    files = sorted(path for path in (saved / "2").rglob("*") if path.is_file())
    for path in files:  # as TFX's Pusher copies: into the final folder, one by one
        target = tmp_path / "2" / path.relative_to(saved / "2")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
        assert ask(client) in {1.0, 2.0}
        time.sleep(0.05)
    wait_for(lambda: ask(client) == 2.0)


def test_a_repaired_version_loads_without_a_restart(saved, tmp_path, start):
    push(saved, tmp_path, 1)
    push(saved, tmp_path, 2)
    whole = (tmp_path / "2" / "saved_model.pb").read_bytes()
    cut_graph(tmp_path / "2")
    server, client = start()
    assert server.wait_until_ready(30)
    assert ask(client) == 1.0
    (tmp_path / "2" / "saved_model.pb").write_bytes(whole)
    wait_for(lambda: ask(client) == 2.0)


def test_a_withdrawn_version_gives_way_to_the_one_before(saved, tmp_path, start):
    push(saved, tmp_path, 1)
    push(saved, tmp_path, 2)
    server, client = start()
    assert server.wait_until_ready(30)
    assert ask(client) == 2.0
    withdraw(tmp_path)
    wait_for(lambda: ask(client) == 1.0)  # A request that fails in between raises.
    wait_for(lambda: states(client).get(1) == "AVAILABLE" and states(client).get(2) != "AVAILABLE")


def test_an_emptied_base_path_unloads_nothing(saved, tmp_path, start):
    push(saved, tmp_path, 1)
    server, client = start()
    assert server.wait_until_ready(30)
    shutil.rmtree(tmp_path / "1")
    time.sleep(0.2)
    assert ask(client) == 1.0


def test_a_number_that_the_protocol_cannot_name_is_no_version(saved, tmp_path, start):
    push(saved, tmp_path, 1)
    shutil.copytree(saved / "2", tmp_path / str(1 << 63))
    server, client = start()
    assert server.wait_until_ready(30)
    assert ask(client) == 1.0
    assert states(client) == {1: "AVAILABLE"}


def test_only_a_manifest_lets_a_version_in_where_one_is_required(saved, tmp_path, start):
    push(saved, tmp_path, 1)
    server, client = start(require_manifest=True)
    wait_for(lambda: server.problems())
    assert "has no manifest.json" in server.problems()[0]
    assert not server.is_ready()
    manifest(tmp_path / "1")
    wait_for(server.is_ready)
    assert ask(client) == 1.0


def test_warmup_requests_run_before_a_version_is_served(saved, tmp_path, start):
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    shutil.copytree(saved / "1", tmp_path / "tmp")
    (tmp_path / "tmp" / "assets.extra").mkdir()
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0]))
    path = tmp_path / "tmp" / "assets.extra" / "tf_serving_warmup_requests"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(log.SerializeToString())
    os.rename(tmp_path / "tmp", tmp_path / "1")
    server, client = start()
    assert server.wait_until_ready(30), server.problems()
    assert ask(client) == 1.0


def test_a_graph_that_reads_files_is_refused_by_the_operation(tmp_path, start):
    import tensorflow as tf

    class Thief(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([], tf.string, "path")])
        def read(self, path):
            return {"content": tf.io.read_file(path)}

    thief = Thief()
    tf.saved_model.save(thief, str(tmp_path / "1"), signatures={"serving_default": thief.read})
    server, _ = start()
    wait_for(lambda: server.problems())
    assert "uses the operation ReadFile, which is refused" in server.problems()[0]
