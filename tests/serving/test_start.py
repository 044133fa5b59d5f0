"""Starting and stopping: flags, one-sentence refusals, exit codes, deployment files."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

import serving
from serving.server.config import ModelConfig, ServerConfig, read_model_config_file
from serving.server.errors import StartError
from serving.server.flags import parse_flags

DEPLOY = Path(serving.__file__).parent / "deploy"


def test_flags_carry_tensorflow_servings_names(tmp_path):
    config = parse_flags(
        [
            "--port=0",
            "--rest_api_port=8502",
            "--model_name",
            "films",
            f"--model_base_path={tmp_path}",
            "--file_system_poll_wait_seconds=2",
            "--enable_model_warmup=false",
            "--enable_batching=false",
        ]
    )
    assert config.models == (ModelConfig("films", str(tmp_path)),)
    assert (config.grpc_port, config.rest_port, config.poll_interval_s) == (0, 8502, 2.0)
    assert config.host == "127.0.0.1"
    assert not config.enable_warmup


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "give `--model_base_path`"),
        (["--model_base_path=/no/such"], "there is no folder `/no/such` for the model `default`"),
        (["--enable_batching=true"], "`--enable_batching` is a flag of TensorFlow Serving that"),
        (["--prot=1"], "unrecognized arguments: --prot=1"),
        (["--port=many"], "invalid int value: 'many'"),
        (["--model_config_file=/no/such"], "`--model_config_file` /no/such cannot be read"),
    ],
)
def test_a_wrong_flag_is_one_sentence(arguments, text):
    with pytest.raises(StartError, match=re.escape(text)) as error:
        parse_flags(arguments)
    assert error.value.exit_code == 2
    assert "\n" not in str(error.value)


def test_a_configuration_reports_its_faults_together(tmp_path):
    models = (ModelConfig("a", str(tmp_path)), ModelConfig("a", "relative"))
    with pytest.raises(StartError) as error:
        ServerConfig(models)
    assert "Illegal to list model a multiple times in config list" in str(error.value)
    assert "got base_path()=relative" in str(error.value)


def test_a_model_list_is_read_in_tensorflow_servings_format(tmp_path):
    file = tmp_path / "models.config"
    file.write_text(
        'model_config_list { config { name: "a" base_path: "/m/a" model_platform: "tensorflow" '
        "model_version_policy { specific { versions: 3 versions: 4 } } "
        'version_labels { key: "stable" value: 3 } } config { name: "b" base_path: "/m/b" '
        "model_version_policy { latest { num_versions: 2 } } } }"
    )
    first, second = read_model_config_file(str(file))
    assert first == ModelConfig("a", "/m/a", 1, (3, 4), {"stable": 3})
    assert second == ModelConfig("b", "/m/b", 2)


def test_the_command_serves_reports_its_ports_and_ends_on_sigterm(saved_model):
    command = [sys.executable, "-m", "serving.server", "--port=0", "--rest_api_port=-1"]
    command += ["--model_name=tiny", f"--model_base_path={saved_model.parent}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    lines = []
    for line in process.stderr:
        lines.append(line)
        if "loaded in" in "".join(lines) and "listening" in "".join(lines):
            break
    found = re.search(r"listening: gRPC 127.0.0.1:\d+, REST (http://127.0.0.1:\d+)", "".join(lines))
    with urllib.request.urlopen(found[1] + "/v1/models/tiny", timeout=10) as answer:
        assert json.load(answer)["model_version_status"][0]["state"] == "AVAILABLE"
    process.send_signal(signal.SIGTERM)
    process.stderr.read()
    assert process.wait(20) == 0


def test_a_request_without_an_end_does_not_keep_the_process(saved_model):
    import threading

    import numpy as np

    from serving import RecommenderClient, ServingError

    command = [sys.executable, "-m", "serving.server", "--port=0", "--drain_seconds=0.5"]
    command += ["--model_name=tiny", f"--model_base_path={saved_model.parent}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    lines = ""
    while not ("loaded in" in lines and "listening" in lines):
        lines += process.stderr.readline()
    target = re.search(r"listening: gRPC (127.0.0.1:\d+)", lines)[1]
    refused = []

    def ask():
        with RecommenderClient(target, "tiny", timeout_s=60, max_retries=0) as client:
            try:
                client.predict("slow", {"steps": np.array([10**9])})
            except ServingError as error:
                refused.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.5)
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert time.monotonic() - start < 8.0
    thread.join()
    assert refused


def test_a_port_in_use_is_one_sentence_with_exit_code_3(saved_model):
    from serving.server import serve

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        model = (ModelConfig("tiny", str(saved_model.parent)),)
        for ports in ({"grpc_port": port, "rest_port": None}, {"grpc_port": 0, "rest_port": port}):
            with pytest.raises(StartError, match=f"cannot listen on 127.0.0.1:{port}") as error:
                serve(ServerConfig(model, **ports))
            assert error.value.exit_code == 3


def test_two_servers_cannot_share_a_port(saved_model):
    from serving.server import serve

    model = (ModelConfig("tiny", str(saved_model.parent)),)
    first = serve(ServerConfig(model, grpc_port=0, rest_port=None))
    with first, pytest.raises(StartError):
        serve(ServerConfig(model, grpc_port=first.grpc_port, rest_port=None))


def test_the_prepared_callable_exists_on_this_tensorflow(saved_model):
    import tensorflow as tf

    assert hasattr(tf.compat.v1.Session, "_make_callable_from_options")


def test_session_run_gives_the_same_answers(saved_model, monkeypatch):
    import numpy as np
    import tensorflow as tf

    from serving.server.runner import ModelRunner

    inputs = {"x": np.array([1.0, 2.0], np.float32)}
    fast = ModelRunner(str(saved_model)).run("serving_default", inputs, ("y",))
    name = "_make_callable_from_options"
    owner = next(base for base in tf.compat.v1.Session.__mro__ if name in vars(base))
    monkeypatch.delattr(owner, name)
    assert not hasattr(tf.compat.v1.Session, "_make_callable_from_options")
    plain = ModelRunner(str(saved_model)).run("serving_default", inputs, ("y",))
    np.testing.assert_array_equal(fast, plain)


def test_classify_and_regress_answer_examples(models, tmp_path):
    from tensorflow_serving.apis import classification_pb2, regression_pb2

    from serving.server.inference import Inference
    from serving.server.json_examples import classes_text, regressions_text

    models.save_classic(str(tmp_path / "1"))
    inference = Inference(ServerConfig((ModelConfig("m", str(tmp_path)),)))
    inference.models["m"].poll()
    classify = classification_pb2.ClassificationRequest()
    classify.model_spec.name = "m"
    for value in (0.25, 0.5):
        example = classify.input.example_list.examples.add()
        example.features.feature["x"].float_list.value.append(value)
    result = inference.classify(classify).result
    assert json.loads(classes_text(result))["results"] == [
        [["low", 0.75], ["high", 0.25]],
        [["low", 0.5], ["high", 0.5]],
    ]
    regress = regression_pb2.RegressionRequest()
    regress.model_spec.name, regress.model_spec.signature_name = "m", "regress"
    both = regress.input.example_list_with_context
    both.context.features.feature["bias"].float_list.value.append(1.0)
    both.examples.add().features.feature["x"].float_list.value.append(0.5)
    result = inference.regress(regress).result
    assert json.loads(regressions_text(result))["results"] == [1.5]


def test_the_compose_file_locks_the_real_server_in():
    yaml = pytest.importorskip("yaml")
    compose = yaml.safe_load((DEPLOY / "docker-compose.yaml").read_text())
    service = compose["services"]["serving"]
    assert service["image"].startswith("tensorflow/serving:")
    assert service["user"].split(":")[0] != "0"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert any("/models.config" in argument for argument in service["command"])


def test_the_kubernetes_file_locks_the_real_server_in():
    yaml = pytest.importorskip("yaml")
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
    deployment = next(document for document in documents if document["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    context = container["securityContext"]
    assert context["readOnlyRootFilesystem"]
    assert not context["allowPrivilegeEscalation"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert {"readinessProbe", "livenessProbe", "resources"} <= set(container)


def test_the_deployed_model_list_parses_and_names_the_recommender():
    (model,) = read_model_config_file(str(DEPLOY / "models.config"))
    assert model == ModelConfig("recommender", "/models/recommender")
