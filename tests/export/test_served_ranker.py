"""The SavedModel of a ranker of rows: equal to the model, calibrated and joined as NumPy does."""

import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from recsys_tf import (
    CategoricalFeature,
    EmbeddingFeature,
    ModelConfig,
    NumericFeature,
    RunConfig,
    ScenarioSpec,
    TableSchema,
    TaskSpec,
    TrainingConfig,
)
from recsys_tf.config import AnswerGoal, BilinearConfig, ExportConfig
from recsys_tf.datasets import LabelledTable, split_table
from recsys_tf.export import ServedRanker, export_ranker, fit_calibrations
from recsys_tf.features import make_table_dataset, table_examples
from recsys_tf.models import Ranker
from recsys_tf.preparation import PreparedTable
from recsys_tf.score_fusion import score_fusion_from_dict
from recsys_tf.score_fusion.calibration import calibration_from_dict
from recsys_tf.training import build_ranker, fit

SCHEMA = TableSchema(
    features=(
        NumericFeature(name="age", side="user", num_bins=4),
        CategoricalFeature(name="city", side="user"),
        CategoricalFeature(name="shop", side="context"),
        CategoricalFeature(name="tags", side="item", is_multivalent=True, max_values=3),
        EmbeddingFeature(name="picture", side="item", size=3),
    ),
    tasks=(
        TaskSpec(name="click", kind="binary", label="click"),
        TaskSpec(name="price", kind="regression", label="price", loss_weight=0.1),
    ),
    scenario=ScenarioSpec(feature="shop"),
)
CONFIG = ExportConfig(
    score_weights={"click": 1.0, "price": 0.1},
    calibration={"click": "platt", "price": "isotonic"},
    calibrate_by_scenario=True,
    min_calibration_rows=20,
)
FEATURES = [each.name for each in SCHEMA.features]


def rows(num_rows, seed=5):
    rng = np.random.default_rng(seed)
    age, shop = rng.normal(40, 10, num_rows), rng.integers(0, 2, num_rows)
    chance = 1 / (1 + np.exp(-(age - 40) / 10 * np.where(shop == 0, -1, 1)))
    return pd.DataFrame(
        {
            "age": age,
            "city": rng.choice(["Lund", "Rome", ""], num_rows),
            "shop": np.array(["north", "south"])[shop],
            "tags": [list(rng.choice(["a", "b", "c"], rng.integers(0, 4))) for _ in age],
            "picture": list(rng.normal(size=(num_rows, 3)).astype("float32")),
            "click": (rng.random(num_rows) < chance).astype(float),
            "price": age / 10 + shop,
        }
    )


@pytest.fixture(scope="module")
def data():
    sizes = {"embedding_dim": 4, "trunk_dims": (8,), "head_dims": (), "dropout": 0.0}
    config = RunConfig(
        model=ModelConfig(**sizes, multiscenario="star", multitask="shared_bottom"),
        training=TrainingConfig(batch_size=64, epochs=2, learning_rate=0.02),
    )
    table = LabelledTable(SCHEMA, rows(500))
    return PreparedTable(config, table, *split_table(len(table), 0.2, 0.3, seed=1))


@pytest.fixture(scope="module")
def model(data):
    model = build_ranker(data)
    fit(model, data.dataset("train"), None, data.config.training, verbose=0)
    return model


@pytest.fixture(scope="module")
def calibrations(model, data):
    return fit_calibrations(model, data, CONFIG)


@pytest.fixture(scope="module")
def plain(model, data):
    """What answers as the model does."""
    return ServedRanker(model, data.preprocessor)


@pytest.fixture(scope="module")
def folder(model, data, calibrations, tmp_path_factory):
    served = ServedRanker(model, data.preprocessor, CONFIG, calibrations)
    return export_ranker(served, tmp_path_factory.mktemp("ranker") / "m" / "1")


@pytest.fixture(scope="module")
def loaded(folder):
    return tf.saved_model.load(str(folder))


def predicted(model, data, frame):
    """Predictions of the model by itself, and the index of each row's scenario."""
    frame = frame.assign(click=0.0, price=0.0)
    dataset = make_table_dataset(table_examples(SCHEMA, frame), data.preprocessor, SCHEMA, 64)
    features = dataset.map(lambda features, *_: features)
    scenarios = [each["shop"] for each in features.as_numpy_iterator()]
    return model.predict(features, verbose=0), np.concatenate(scenarios)


def raw(frame):
    """The rows as a request holds them."""
    width = max([1, *map(len, frame["tags"])])
    tags = [[*each, *[""] * (width - len(each))] for each in frame["tags"]]
    return {
        "age": tf.constant(frame["age"], tf.float32),
        "city": tf.constant(frame["city"], tf.string),
        "shop": tf.constant(frame["shop"], tf.string),
        "tags": tf.constant(tags, tf.string, [len(frame), width]),
        "picture": tf.constant(list(frame["picture"]), tf.float32, [len(frame), 3]),
    }


def serialized(frame):
    """The rows as `tf.Example`s, without what is missing."""

    def strings(values):
        values = [each.encode() for each in values if each]
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    def floats(values):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    examples = []
    for row in frame.to_dict("records"):
        features = {"tags": strings(row["tags"]), "picture": floats(row["picture"])}
        features |= {name: strings([row[name]]) for name in ("city", "shop") if row[name]}
        if row["age"] == row["age"]:
            features["age"] = floats([row["age"]])
        example = tf.train.Example(features=tf.train.Features(feature=features))
        examples.append(example.SerializeToString())
    return tf.constant(examples, tf.string)


def assert_close(answer, expected):
    for name, values in expected.items():
        np.testing.assert_allclose(answer[name], values, rtol=1e-5, atol=1e-6, err_msg=name)


def test_answers_are_the_models_own(plain, model, data):
    frame = rows(70, seed=8)
    answer = plain.rank(raw(frame))
    expected, _ = predicted(model, data, frame)
    assert set(answer) == set(expected) == {"click", "price"}
    assert_close(answer, expected)
    assert_close(plain.rank_examples(serialized(frame)), expected)


def test_what_is_unseen_or_missing_is_read_as_in_training(plain, model, data):
    frame = rows(4, seed=8)
    frame["city"] = ["Atlantis", "El Dorado", "", ""]
    frame["shop"] = ["nowhere", "elsewhere", "", "north"]
    frame["tags"] = [["z"], ["y"], [], ["a", "z"]]
    frame["age"] = [30.0, 30.0, np.nan, np.inf]
    frame["picture"] = [np.ones(3), np.ones(3), np.full(3, np.nan), np.ones(3)]
    expected, _ = predicted(model, data, frame)
    answer = plain.rank(raw(frame))
    assert_close(answer, expected)
    for values in answer.values():
        assert np.isfinite(values).all()
        # Unseen names are one and the same.
        assert values[0] == values[1]
        assert values[1] != values[2]
    # An example that says nothing is a row of which everything is missing.
    nothing = raw(frame.iloc[2:3])
    assert_close(plain.rank_examples(tf.constant([b""])), plain.rank(nothing))


def test_predictions_are_calibrated_by_scenario_and_joined(loaded, model, data, calibrations):
    frame = rows(60, seed=9)
    frame.loc[:4, "shop"] = "nowhere"
    predictions, scenarios = predicted(model, data, frame)
    assert set(calibrations["click"].by_scenario) == {2, 3}
    click, price = (
        calibrations[name].apply(predictions[name], scenarios) for name in ("click", "price")
    )
    # Not by the curve of all rows, and not as the model gives them.
    assert np.abs(click - calibrations["click"].apply(predictions["click"])).max() > 1e-3
    assert np.abs(click - predictions["click"]).max() > 1e-3
    expected = {"click": click, "price": price, "score": click + 0.1 * price}
    answer = loaded.signatures["rank"](**raw(frame))
    assert set(answer) == set(expected)
    assert_close(answer, expected)
    assert_close(loaded.signatures["serving_default"](examples=serialized(frame)), expected)


def test_each_row_is_judged_by_itself(loaded):
    frame = rows(3, seed=9)
    answer = loaded.signatures["rank"](**raw(frame))
    for row in range(3):
        alone = loaded.signatures["rank"](**raw(frame.iloc[row : row + 1]))
        assert_close(alone, {name: values[row : row + 1] for name, values in answer.items()})


def test_no_rows_give_no_answers(loaded):
    for answer in (
        loaded.signatures["rank"](**raw(rows(0))),
        loaded.signatures["serving_default"](examples=tf.constant([], tf.string)),
    ):
        assert {name: values.shape for name, values in answer.items()} == dict.fromkeys(
            ("click", "price", "score"), (0,)
        )


def test_stacked_score_is_a_probability_of_log_odds(model, data):
    config = ExportConfig(
        score_fusion="stacking",
        score_weights={"click": 2.0, "price": -0.5},
        fusion_options={"bias": 0.25, "probability_tasks": ("click",)},
    )
    frame = rows(20, seed=3)
    answer = ServedRanker(model, data.preprocessor, config).rank(raw(frame))
    found, _ = predicted(model, data, frame)
    log_odds = np.log(found["click"] / (1 - found["click"]))
    expected = 1 / (1 + np.exp(-(0.25 + 2 * log_odds - 0.5 * found["price"])))
    np.testing.assert_allclose(answer["score"], expected, rtol=1e-4)


def test_inputs_are_those_that_the_model_reads(data):
    pair = BilinearConfig(query_feature="city", candidate_feature="picture", is_alone=True)
    config = ModelConfig(embedding_dim=4, bilinear=pair)
    model = Ranker(SCHEMA, data.state.num_indices_by_name, config)
    served = ServedRanker(model, data.preprocessor)
    assert set(served.raw_specs()) == {"city", "picture"}
    given = raw(rows(2))
    answer = served.rank({name: given[name] for name in ("city", "picture")})
    assert_close(answer, served.rank(given))


@pytest.mark.parametrize("is_by_scenario", [True, False])
def test_curves_by_scenario_read_a_scenario_that_the_model_does_not(is_by_scenario, data):
    pair = BilinearConfig(query_feature="city", candidate_feature="picture", is_alone=True)
    config = ModelConfig(embedding_dim=4, bilinear=pair)
    model = Ranker(SCHEMA, data.state.num_indices_by_name, config)
    fields = {"calibration": {"click": "platt"}, "calibrate_by_scenario": is_by_scenario}
    calibrated = CONFIG.model_copy(update=fields)
    served = ServedRanker(
        model, data.preprocessor, calibrated, fit_calibrations(model, data, calibrated)
    )
    assert set(served.raw_specs()) == {"city", "picture"} | ({"shop"} if is_by_scenario else set())
    given = {name: raw(rows(2))[name] for name in ("city", "picture")}
    if is_by_scenario:
        text = "`raw` must hold 'shop', as a calibration is by scenario"
        with pytest.raises(ValueError, match=text):
            served.rank(given)
        given["shop"] = tf.constant(["", ""])
    whole = served.calibrations["click"].apply(
        ServedRanker(model, data.preprocessor).rank(given)["click"]
    )
    assert_close(served.rank(given), {"click": whole})


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"reranker": "mmr"}, r"export.reranker: has no meaning for a table, received 'mmr'"),
        ({"max_k": 7}, "export.max_k: has no meaning for a table, received 7"),
        ({"goal": AnswerGoal(task="click")}, "export.goal: has no meaning for a table"),
        (
            {"score_fusion": "rank_fusion", "score_weights": {"click": 1.0}},
            "export.score_fusion: must be one that reads a row alone.*'rank_fusion'.*weighted_sum",
        ),
        ({"score_fusion": "geometric"}, "export.score_weights: must name the tasks"),
        ({"score_weights": {"clic": 1.0}}, "export.score_weights.clic: .*Did you mean 'click'"),
        ({"calibration": {"click": "plat"}}, "export.calibration.click: .*Did you mean 'platt'"),
        ({"calibration": {"click": "platt"}}, "`calibrations` must hold a calibration for each"),
    ],
)
def test_what_has_no_meaning_for_a_table_is_refused(fields, text, model, data):
    with pytest.raises(ValueError, match=f"(?s){text}"):
        ServedRanker(model, data.preprocessor, ExportConfig(**fields))


def test_names_that_would_stand_twice_or_cannot_be_inputs_are_refused():
    from recsys_tf.export.config_faults import check_table_export

    schema = TableSchema(
        features=(NumericFeature(name="class", side="user"),),
        tasks=(TaskSpec(name="score", kind="binary", label="click"),),
    )
    with pytest.raises(ValueError, match="Python keyword"):
        check_table_export(ExportConfig(), schema)
    with pytest.raises(ValueError, match="the task 'score' has the name of the output"):
        check_table_export(ExportConfig(score_weights={"score": 1.0}), schema)


def test_a_session_gives_the_same_by_operations_of_tensorflow_alone(folder, loaded):
    frame = rows(6, seed=2)
    given = raw(frame)
    # As TensorFlow Serving and the local server load it.
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], str(folder))
        signature = meta_graph.signature_def["rank"]
        assert set(signature.inputs) == set(FEATURES)
        feeds = {signature.inputs[name].name: value.numpy() for name, value in given.items()}
        answer = session.run({k: v.name for k, v in signature.outputs.items()}, feeds)
        definition = graph.as_graph_def()
    nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
    functions = {each.signature.name for each in definition.library.function}
    foreign = {n.op for n in nodes if not hasattr(tf.raw_ops, n.op)} - functions
    # The graph's ends, which have no function in Python.
    assert foreign <= {"_Arg", "_Retval"}
    assert not {node.op for node in nodes} & {"PyFunc", "EagerPyFunc", "PyFuncStateless"}
    assert_close(loaded.signatures["rank"](**given), answer)


def test_what_it_answers_by_lies_beside_the_graph(folder, calibrations):
    extra = folder / "assets.extra"
    assert TableSchema.from_yaml(extra / "schema.yaml") == SCHEMA
    curves = json.loads((extra / "calibrations.json").read_text())
    values = np.linspace(0.1, 0.9, 5)
    for name, curve in curves.items():
        again = calibration_from_dict(curve)
        np.testing.assert_allclose(again.apply(values), calibrations[name].apply(values))
    fusion = score_fusion_from_dict(json.loads((extra / "score_fusion.json").read_text()))
    assert fusion.weights == CONFIG.score_weights


def test_a_model_without_a_score_has_no_file_of_it(plain, tmp_path):
    plain.describe(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["schema.yaml"]


def test_a_folder_in_use_is_refused(plain, folder):
    with pytest.raises(ValueError, match="must be new or empty"):
        export_ranker(plain, folder)


def test_a_server_warms_up_with_a_row_of_which_nothing_is_known(folder, monkeypatch):
    pytest.importorskip("grpc")
    from serving.server.config import ModelConfig as ServedConfig
    from serving.server.config import ServerConfig
    from serving.server.inference import Inference
    from serving.server.runner import ModelRunner

    run, asked = ModelRunner.run, []

    def noted(self, signature_name, inputs, *arguments):
        asked.append((signature_name, set(inputs)))
        return run(self, signature_name, inputs, *arguments)

    monkeypatch.setattr(ModelRunner, "run", noted)
    inference = Inference(ServerConfig((ServedConfig("m", str(folder.parent)),)))
    manager = inference.models["m"]
    manager.poll()
    assert manager.is_ready(), manager.snapshot()
    assert asked == [("rank", set(FEATURES))] * 2
    manager.close()
