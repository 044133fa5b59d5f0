"""The SavedModel answers as the model does, whatever is asked."""

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.config import ExportConfig
from recsys_tf.evaluation import candidate_embeddings, evaluate_tasks, query_embeddings
from recsys_tf.export import ServedRecommender, export_saved_model
from recsys_tf.features import Examples
from recsys_tf.features.tf_example import read_examples, write_examples
from recsys_tf.score_fusion import IsotonicCalibration


def test_answer_is_ordered_and_leaves_the_history_out(ask, known):
    users, histories = known
    answer = ask(users, histories, [5, 5])
    assert answer["item_ids"].shape == (2, 5)
    scores = answer["scores"].numpy()
    assert np.all(np.diff(scores, axis=1) <= 0)
    for ids, history in zip(answer["item_ids"].numpy(), histories, strict=True):
        offered = {each.decode() for each in ids}
        assert len(offered) == 5
        assert not offered & set(history)


def test_answer_by_retrieval_alone_equals_the_models_own_ranking(
    make_served, asking, trained, small_data
):
    served = make_served(ExportConfig(num_candidates=20, max_k=30))
    ask = asking(lambda k, **raw: served.recommend(raw, k), served)
    rows = small_data.rows("test")[:3]
    queries = query_embeddings(trained[0], small_data, "test", rows)
    scores = queries @ candidate_embeddings(trained[0], small_data).T
    examples = small_data.examples("test", rows)
    given = {
        name: tf.constant(values.astype("float32") if values.dtype != object else values)
        for name, values in examples.columns.items()
        if name in {each.name for each in small_data.schema.query_features}
    }
    histories = [examples.lists["history"].row(row).tolist() for row in range(len(rows))]
    ratings = [examples.lists["history_rating"].row(row).tolist() for row in range(len(rows))]
    given["history_rating"] = tf.ragged.constant(ratings, ragged_rank=1).to_tensor(float("nan"))
    answer = ask(given.pop("user_id"), histories, [4] * len(rows), **given)
    ids = small_data.catalogue.columns["item_id"]
    for row, history in enumerate(histories):
        order = [ids[i] for i in np.argsort(-scores[row], kind="stable") if ids[i] not in history]
        assert [each.decode() for each in answer["item_ids"][row].numpy()] == order[:4]


def test_unknown_user_without_history_is_answered(ask):
    answer = ask(["nobody" * 2000], [[]], [3])
    assert all(answer["item_ids"].numpy()[0] != b"")
    assert np.isfinite(answer["scores"].numpy()).all()


def test_unknown_items_in_a_history_do_no_harm(ask, known):
    users, histories = known
    answer = ask(users[:1], [["no such film", *histories[0]]], [5])
    assert all(answer["item_ids"].numpy()[0] != b"")


def test_rows_may_want_different_numbers(ask, known):
    answer = ask(*known, [1, 3])
    assert answer["item_ids"].shape == (2, 3)
    assert answer["item_ids"].numpy()[0].tolist()[1:] == [b"", b""]
    assert answer["scores"].numpy()[0].tolist()[1:] == [0.0, 0.0]


def test_empty_request_has_an_empty_answer(ask):
    assert ask([], [], []).popitem()[1].shape[0] == 0


def test_more_than_max_k_is_cut(ask, known):
    assert ask(*known, [1000, 1000])["item_ids"].shape == (2, 30)


def test_everything_seen_leaves_empty_places(ask, small_data):
    everything = small_data.catalogue.columns["item_id"].tolist()
    answer = ask(["u"], [everything], [2])
    assert answer["item_ids"].numpy().tolist() == [[b"", b""]]


def test_k_below_one_is_refused(ask, known):
    with pytest.raises(tf.errors.InvalidArgumentError, match="`k` must be 1 or more"):
        ask(*known, [0, 1])


def test_examples_are_scored_as_by_the_model(loaded, trained, small_data, tmp_path):
    rows = small_data.rows("test")[:8]
    examples = small_data.examples("test", rows)
    write_examples(examples, small_data.catalogue, small_data.schema, tmp_path)
    serialized = next(iter(read_examples(tmp_path).batch(8)))
    scores = loaded.signatures["serving_default"](examples=serialized)
    dataset = small_data.dataset("test", rows)
    expected = trained[0].predict(dataset.map(lambda features, *_: features), verbose=0)
    for name in ("watch", "rating", "like"):
        np.testing.assert_allclose(scores[name], expected[name], rtol=1e-4, atol=1e-5)


@pytest.fixture
def evaluated(small_data, tmp_path):
    """All test rows, the first with a history asking for an item of it, also as `tf.Example`s."""
    # All: an item that rounding puts behind itself is one among many.
    rows = small_data.rows("test")
    examples = small_data.examples("test", rows)
    histories = examples.lists["history"]
    repeated = int(np.flatnonzero(histories.ends > histories.starts)[0])
    items = examples.columns["item_id"].copy()
    items[repeated] = histories.row(repeated)[-1]
    examples = Examples({**examples.columns, "item_id": items}, examples.lists)
    write_examples(
        examples, small_data.catalogue, small_data.schema, tmp_path, is_target_masked=False
    )
    return examples, next(iter(read_examples(tmp_path).batch(len(rows)))), repeated


def test_row_metrics_are_hits_of_the_ranking(loaded, trained, small_data, evaluated):
    examples, serialized, _ = evaluated
    found = loaded.signatures["evaluate"](examples=serialized)
    rows = small_data.rows("test")
    queries = query_embeddings(trained[0], small_data, "test", rows)
    scores = queries @ candidate_embeddings(trained[0], small_data).T
    ids = small_data.catalogue.columns["item_id"].tolist()
    for row in range(len(rows)):
        own = ids.index(examples.columns["item_id"][row])
        met = {ids.index(each) for each in examples.lists["history"].row(row)}
        rank = 1 + sum(
            scores[row, other] > scores[row, own] for other in range(len(ids)) if other not in met
        )
        is_hit = rank <= 10 and own not in met
        assert float(found["watch_hit_at_10"][row]) == float(is_hit)
        expected = 1 / np.log2(1 + rank) if is_hit else 0.0
        assert float(found["watch_ndcg_at_10"][row]) == pytest.approx(expected, abs=1e-6)


def test_an_item_that_the_user_has_met_is_no_hit(loaded, evaluated):
    _, serialized, row = evaluated
    found = loaded.signatures["evaluate"](examples=serialized)
    assert float(found["watch_hit_at_10"][row]) == 0.0
    assert float(found["watch_answered_hit_at_10"][row]) == 0.0


def test_a_rows_chance_is_that_of_the_items_that_may_be_answered(loaded, small_data, evaluated):
    examples, serialized, repeated = evaluated
    found = loaded.signatures["evaluate"](examples=serialized)["watch_chance_at_10"].numpy()
    histories = examples.lists["history"]
    num_met = np.array([len(set(histories.row(row))) for row in range(len(examples))])
    assert found[repeated] == 0.0
    others = np.arange(len(examples)) != repeated
    expected = 10 / (len(small_data.catalogue) - num_met)
    np.testing.assert_allclose(found[others], expected[others], rtol=1e-6)
    assert len(set(num_met)) > 1


def places_of_own_items(ask, examples, small_data):
    """Asks for ten items a row; bool `[n, 10]`, True where the row's own item stands."""
    given = {
        name: tf.constant(values.astype("float32") if values.dtype != object else values)
        for name, values in examples.columns.items()
        if name in {each.name for each in small_data.schema.query_features}
    }
    num = len(examples)
    histories, ratings = (
        [examples.lists[name].row(row).tolist() for row in range(num)]
        for name in ("history", "history_rating")
    )
    given["history_rating"] = tf.ragged.constant(ratings, ragged_rank=1).to_tensor(float("nan"))
    answer = ask(given.pop("user_id"), histories, [10] * num, **given)
    items = examples.columns["item_id"].astype("S")[:, np.newaxis]
    return answer["item_ids"].numpy().astype("S") == items


def test_answered_row_metrics_are_those_of_the_answers(loaded, ask, small_data, evaluated):
    examples, serialized, _ = evaluated
    found = loaded.signatures["evaluate"](examples=serialized)
    is_own = places_of_own_items(ask, examples, small_data)
    np.testing.assert_array_equal(found["watch_answered_hit_at_10"], is_own.any(axis=1))
    gains = (is_own / np.log2(np.arange(10) + 2)).sum(axis=1)
    np.testing.assert_allclose(found["watch_answered_ndcg_at_10"], gains, atol=1e-6)
    assert np.any(found["watch_answered_ndcg_at_10"] != found["watch_ndcg_at_10"])


def test_plain_answers_are_measured_by_retrieval(make_served, evaluated):
    served = make_served(ExportConfig(num_candidates=5, max_k=5))
    found = served.evaluate_examples(evaluated[1])
    is_within = found["watch_ndcg_at_10"].numpy() > 1 / np.log2(6.5)
    assert 0 < is_within.sum() < len(is_within)
    np.testing.assert_array_equal(
        found["watch_answered_ndcg_at_10"], np.where(is_within, found["watch_ndcg_at_10"], 0.0)
    )


def test_a_given_calibration_of_retrieval_counts_in_what_is_measured(make_served, evaluated):
    flat = IsotonicCalibration({"knots": [0.0], "values": [0.5]})
    served = make_served(ExportConfig(num_candidates=4, max_k=4), {"watch": flat})
    found = served.evaluate_examples(evaluated[1])["watch_answered_ndcg_at_10"].numpy()
    assert 0 < (found > 0).sum() < len(found)
    # Of four equal scores the other three count as better by half.
    np.testing.assert_allclose(found[found > 0], 1 / np.log2(1 + 2.5), rtol=1e-5)


# Ratings alone are cut where they end, and equal scores count by half.
@pytest.mark.parametrize(
    "weights", [{}, {"click": 1.0, "rating": 0.1}], ids=["retrieval", "fusion"]
)
def test_items_of_the_history_are_answered_and_measured_where_they_may_be(
    make_served, asking, evaluated, known, small_data, tmp_path, weights
):
    num_items = len(small_data.catalogue)
    config = ExportConfig(
        num_candidates=num_items, max_k=num_items, score_weights=weights, is_seen_excluded=False
    )
    served = make_served(config)
    folder = export_saved_model(served, tmp_path / "with_seen" / "1")
    loaded = tf.saved_model.load(str(folder))
    ask = asking(loaded.signatures["recommend"], served)
    users, histories = known
    surfaces = tf.constant(["mail", "search"])
    answer = ask(users, histories, [num_items], surface=surfaces)["item_ids"].numpy()
    catalogue = {each.encode() for each in small_data.catalogue.columns["item_id"]}
    assert set(answer[0]) == set(answer[1]) == catalogue
    examples, serialized, row = evaluated
    found = loaded.signatures["evaluate"](examples=serialized)
    gains = (places_of_own_items(ask, examples, small_data) / np.log2(np.arange(10) + 2)).sum(1)
    np.testing.assert_allclose(found["watch_answered_ndcg_at_10"], gains, atol=1e-6)
    # More rivals: but for the item that was met, no place gets better.
    without = make_served(config.model_copy(update={"is_seen_excluded": True}))
    others = np.arange(len(examples)) != row
    for name, values in without.evaluate_examples(serialized).items():
        if "_at_10" in name:
            lost = values.numpy() - found[name].numpy()
            assert lost[row] <= 0
            assert lost[others].min() > -1e-6
            assert lost[others].max() > 0.01


def test_evaluation_gives_every_task(trained, small_data):
    metrics = evaluate_tasks(trained[0], small_data, "test")
    assert {"rating/rmse", "like/auc", "click/log_loss"} <= set(metrics)


def test_folder_in_use_is_refused_and_kept(served, folder):
    before = sorted(each.name for each in folder.rglob("*"))
    with pytest.raises(ValueError, match="must be new or empty"):
        export_saved_model(served, folder)
    assert sorted(each.name for each in folder.rglob("*")) == before


def test_failed_writing_leaves_nothing_behind(served, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", full)
    with pytest.raises(OSError, match="No space left"):
        export_saved_model(served, tmp_path / "7")
    assert list(tmp_path.iterdir()) == []


def test_weight_of_an_unknown_task_is_named(trained, small_data):
    with pytest.raises(ValueError, match="Did you mean 'rating'"):
        ServedRecommender(
            trained[0],
            small_data.preprocessor,
            small_data.catalogue,
            ExportConfig(score_weights={"ratng": 1.0}),
        )


def test_session_restores_every_variable_that_a_signature_reads(folder, loaded, served):
    # TensorFlow Serving and the local server load by session, `tf.saved_model.load` by objects.
    raw = {
        name: np.full([1] * len(spec.shape), np.nan if spec.dtype == tf.float32 else "")
        for name, spec in served.raw_specs(has_items=False).items()
    }
    raw = {k: v.astype(object if v.dtype.kind == "U" else "float32") for k, v in raw.items()}
    raw["k"] = np.array([5], "int32")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], str(folder))
        signature = meta_graph.signature_def["recommend"]
        # What is not fed takes the signature's defaults.
        feeds = {signature.inputs[name].name: value for name, value in raw.items()}
        answer = session.run({k: v.name for k, v in signature.outputs.items()}, feeds)
    raw |= {"diversity": np.zeros(1, "float32"), "max_per_category": np.zeros(1, "int32")}
    expected = loaded.signatures["recommend"](**{k: tf.constant(v) for k, v in raw.items()})
    assert answer["item_ids"].tolist() == expected["item_ids"].numpy().tolist()
    for name in served.answer_tasks:
        np.testing.assert_allclose(answer[name], expected[name], rtol=1e-5)
