"""Several models answer as one, from one SavedModel."""

import json

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.config import ExportConfig
from recsys_tf.export import (
    EnsembleMember,
    ServedEnsemble,
    ServedRecommender,
    export_ensemble,
    raw_queries,
)
from recsys_tf.models import Recommender
from recsys_tf.score_fusion import score_fusion_from_dict

FEATURES = ("user_id", "history", "surface", "item_id", "genres", "release_year")
TASKS = ("watch", "click")


@pytest.fixture(scope="module")
def other(small_data):
    """A model of fewer features and tasks, of drawn weights, that likes other items."""
    schema = small_data.schema
    features = tuple(schema.feature(name) for name in FEATURES)
    tasks = tuple(schema.task(name) for name in TASKS)
    schema = schema.model_copy(update={"features": features, "tasks": tasks})
    model = Recommender(schema, small_data.state.num_indices_by_name, small_data.config.model)
    rng = np.random.default_rng(3)
    for variable in model.core.trainable_variables:
        variable.assign_add(rng.normal(0, 0.3, variable.shape))
    reversed_rows = np.arange(len(small_data.catalogue))[::-1]
    return EnsembleMember(model, small_data.preprocessor, small_data.catalogue.take(reversed_rows))


@pytest.fixture(scope="module")
def raw(make_served, small_data):
    """Two users who have met items, and one of whom nothing is known."""
    users = [*small_data.interactions.users["user_id"].tolist()[:2], "nobody"]
    return raw_queries(make_served(ExportConfig()), small_data.interactions, users)


def single(member, config, calibrations=None):
    return ServedRecommender(*member, config, (10,), calibrations)


def ids(answer):
    return [[each.decode() for each in row] for row in answer["item_ids"].numpy()]


@pytest.mark.parametrize("num_candidates", [8, 100], ids=["some", "all"])
def test_two_copies_answer_as_one_model(member, raw, num_candidates):
    config = ExportConfig(num_candidates=num_candidates, max_k=8)
    twice = ServedEnsemble({"a": member, "b": member}, config)
    k = tf.constant([8, 5, 8])
    expected, found = single(member, config).recommend(raw, k), twice.recommend(raw, k)
    assert ids(found) == ids(expected)
    for name in ("watch", "click", "rating"):
        for of in "ab":
            np.testing.assert_allclose(found[f"{of}__{name}"], expected[name], rtol=1e-5)


def test_weighted_sum_of_copies_is_that_of_one_with_its_calibrations(member, raw, calibrations):
    config = ExportConfig(
        num_candidates=20,
        max_k=10,
        score_weights={"click": 1.0, "rating": 0.1},
        calibration={"click": "platt", "rating": "isotonic"},
        calibrate_by_scenario=True,
    )
    shared = config.model_copy(
        update={
            "score_weights": {"a/click": 0.25, "b/click": 0.75, "b/rating": 0.1},
            "calibration": {"a/click": "platt", "b/click": "platt", "b/rating": "isotonic"},
        }
    )
    of_both = {f"{of}/{task}": each for of in "ab" for task, each in calibrations.items()}
    twice = ServedEnsemble({"a": member, "b": member}, shared, of_both)
    raw = {**raw, "surface": tf.constant(["mail", "search", ""])}
    expected = single(member, config, calibrations).recommend(raw, tf.constant([10]))
    found = twice.recommend(raw, tf.constant([10]))
    np.testing.assert_allclose(found["scores"], expected["scores"], rtol=1e-5, atol=1e-6)
    assert ids(found) == ids(expected)


def test_wishes_see_variety_as_one_model_does(member, raw):
    config = ExportConfig(reranker="mmr", category_feature="genres", num_candidates=30, max_k=10)
    config = config.model_copy(update={"score_weights": {"click": 1.0}})
    twice = ServedEnsemble(
        {"a": member, "b": member}, config.model_copy(update={"score_weights": {"b/click": 1.0}})
    )
    given = raw, tf.constant([10]), tf.constant([0.6]), tf.constant([3])
    assert ids(twice.recommend(*given)) == ids(single(member, config).recommend(*given))


def test_what_everybody_likes_is_not_alike_for_that(member, raw, add_to_item_biases):
    def lists(*diversity):
        config = ExportConfig(reranker="mmr", num_candidates=30, max_k=10)
        twice = ServedEnsemble({"a": member, "b": member}, config)
        return [ids(twice.recommend(raw, tf.constant([10]), tf.constant([d]))) for d in diversity]

    plain, varied = lists(0.0, 0.6)
    assert plain != varied
    add_to_item_biases(8.0)
    assert lists(0.6) == [varied]


def test_vectors_of_the_items_stand_once_a_model(member, other):
    def numbers_of_items(served):
        shapes = [each.shape for each in served.variables]
        return sum(each.num_elements() for each in shapes if len(member.catalogue) in each)

    of_one = [numbers_of_items(single(each, ExportConfig())) for each in (member, other)]
    both = ServedEnsemble({"a": member, "b": other}, ExportConfig(reranker="mmr"))
    assert numbers_of_items(both) == sum(of_one)


def test_what_only_one_model_retrieves_is_answered_and_judged_by_all(member, other, raw):
    config = ExportConfig(num_candidates=5, max_k=5, score_weights={"b/watch": 1.0})
    both = ServedEnsemble({"a": member, "b": other}, config)
    plain = ExportConfig(num_candidates=5, max_k=5)
    found, k = both.recommend(raw, tf.constant([5])), tf.constant([5])
    expected, of_a = (ids(single(each, plain).recommend(raw, k)) for each in (other, member))
    assert ids(found) == expected
    assert any(set(row) - set(own) for row, own in zip(expected, of_a, strict=True))
    num = len(member.catalogue)
    whole = single(member, ExportConfig(num_candidates=num, max_k=num))
    whole = whole.recommend(raw, tf.constant([num]))
    for row, own in enumerate(ids(found)):
        for task in ("watch", "click", "rating"):
            by_id = dict(zip(ids(whole)[row], whole[task].numpy()[row], strict=True))
            wanted = [by_id[each] for each in own]
            np.testing.assert_allclose(found[f"a__{task}"][row], wanted, rtol=1e-4, atol=1e-5)


def test_an_item_stands_once_and_history_not_at_all(member, other, raw):
    num = len(member.catalogue)
    both = ServedEnsemble(
        {"a": member, "b": other}, ExportConfig(num_candidates=num, max_k=2 * num)
    )
    answer = both.recommend(raw, tf.constant([2 * num]))
    assert answer["item_ids"].shape == (3, num)
    catalogue = set(member.catalogue.columns["item_id"])
    for own, met in zip(ids(answer), raw["history"].numpy(), strict=True):
        offered = [each for each in own if each]
        assert sorted(offered) == sorted(catalogue - {each.decode() for each in met})


def test_empty_request_has_an_empty_answer(member, other, raw):
    both = ServedEnsemble({"a": member, "b": other}, ExportConfig())
    nobody = {name: values[:0] for name, values in raw.items()}
    assert both.recommend(nobody, tf.constant([], tf.int32))["item_ids"].shape == (0, 0)


def test_default_joins_the_places_of_both(member, other, raw):
    num = len(member.catalogue)
    config = ExportConfig(num_candidates=num, max_k=num)
    k = tf.constant([num])
    places = [
        [{each: at + 1 for at, each in enumerate(row)} for row in ids(answer)]
        for answer in (single(each, config).recommend(raw, k) for each in (member, other))
    ]
    found = ServedEnsemble({"a": member, "b": other}, config).recommend(raw, k)
    for row, own in enumerate(ids(found)):
        offered = [each for each in own if each]
        wanted = [sum(1 / (60 + of[row][each]) for of in places) for each in offered]
        np.testing.assert_allclose(found["scores"].numpy()[row][: len(offered)], wanted, rtol=1e-4)


def test_saved_model_answers_as_the_ensemble(member, other, raw, tmp_path):
    config = ExportConfig(num_candidates=10, max_k=10, reranker="mmr")
    both = ServedEnsemble({"a": member, "b": other}, config)
    folder = export_ensemble(both, tmp_path / "1")
    loaded = tf.saved_model.load(str(folder))
    wishes = {"k": tf.constant([6]), "diversity": tf.constant([0.5])}
    expected = both.recommend(raw, **wishes)
    for name in ("recommend", "serving_default"):
        found = loaded.signatures[name](**raw, **wishes)
        assert set(found) == set(expected)
        assert {"a__rating", "b__watch", "b__click", "scores"} < set(found)
        assert ids(found) == ids(expected)
        for each in set(found) - {"item_ids"}:
            np.testing.assert_allclose(found[each], expected[each], rtol=1e-4, atol=1e-5)
    saved = json.loads((folder / "assets.extra" / "score_fusion.json").read_text())
    assert score_fusion_from_dict(saved).weights == {"a/watch": 1.0, "b/watch": 1.0}
    assert (folder / "assets.extra" / "schema_b.yaml").exists()


def test_session_reads_the_variables_of_all_models(member, other, raw, tmp_path):
    # TensorFlow Serving and the local server load by session.
    both = ServedEnsemble({"a": member, "b": other}, ExportConfig(num_candidates=10, max_k=10))
    folder = export_ensemble(both, tmp_path / "1")
    given = {**{name: each.numpy() for name, each in raw.items()}, "k": np.array([4], "int32")}
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], str(folder))
        signature = meta_graph.signature_def["recommend"]
        feeds = {signature.inputs[name].name: value for name, value in given.items()}
        answer = session.run({k: v.name for k, v in signature.outputs.items()}, feeds)
    expected = both.recommend(raw, tf.constant([4]))
    assert answer["item_ids"].tolist() == expected["item_ids"].numpy().tolist()
