from dataclasses import replace

import numpy as np
import pytest

from recsys_tf import NumericFeature, RunConfig
from recsys_tf.cli.answers import Knowledge, answer_table, knowledge_of, load_knowledge
from recsys_tf.cli.console import ERR, OUT, metrics_table
from recsys_tf.cli.failures import Failure
from recsys_tf.datasets import load_synthetic
from serving import Recommendation
from serving.signatures import Signature

OFFER = Recommendation(
    "7", np.array(["a", "b"]), np.array([2.0, 1.0]), {"rating": np.array([4.5, 3.0])}, 1
)


@pytest.fixture(scope="module")
def interactions():
    return load_synthetic(num_users=40, num_items=30, num_events=400)


def printed(table, capsys):
    OUT.print(table)
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_answer_shows_place_title_and_scores(capsys):
    lines = printed(answer_table(OFFER, {"a": "Alien"}), capsys)
    assert lines == [
        "item title score rating",
        "1 a Alien 2.000 4.500",
        "2 b 1.000 3.000",
    ]


def test_answer_without_titles_has_no_such_column(capsys):
    lines = printed(answer_table(OFFER, {}), capsys)
    assert lines[:2] == ["item score rating", "1 a 2.000 4.500"]


def test_answer_as_plain_values():
    assert Knowledge(titles={"a": "Alien"}).as_dict(OFFER) == {
        "user": "7", "model_version": 1, "items": ["a", "b"], "titles": ["Alien", ""],
        "scores": [2.0, 1.0], "tasks": {"rating": [4.5, 3.0]},
    }  # fmt: skip


def test_known_user_brings_history_oldest_first_and_features(interactions):
    user = interactions.events["user_id"].iloc[-1]
    own = interactions.events[interactions.events["user_id"] == user]
    known = knowledge_of(interactions, user)
    assert list(known.history) == own.sort_values("timestamp")["item_id"].tolist()
    assert len(known.history_values["history_rating"]) == len(known.history)
    assert set(known.features) == {"age", "gender", "occupation"}


def test_known_user_brings_what_a_sequential_recommender_reads(interactions):
    own = interactions.events[interactions.events["user_id"] == "u00001"].sort_values("timestamp")
    known = knowledge_of(interactions, "u00001", action_column="click")
    assert known.history_values["times"] == own["timestamp"].tolist()
    assert known.history_values["actions"] == [str(int(each)) for each in own["click"]]


def test_feature_of_the_name_of_times_is_no_history_s(interactions):
    times = NumericFeature(name="times", side="context")
    features = (*interactions.schema.features, times)
    schema = interactions.schema.model_copy(update={"features": features})
    events = interactions.events.assign(times=1.0)
    known = knowledge_of(replace(interactions, events=events), "u00001", schema)
    assert set(known.history_values) == {"history_rating"}


def test_run_s_own_schema_tells_what_is_known_of_a_user(interactions, monkeypatch):
    height = NumericFeature(name="height", side="user")
    features = (*interactions.schema.features, height)
    schema = interactions.schema.model_copy(update={"features": features})
    measured = interactions.users.assign(height=range(40))
    user = interactions.users["user_id"].iloc[7]
    given = [replace(interactions, users=measured), interactions]
    monkeypatch.setattr("recsys_tf.cli.answers.load_interactions", lambda _: given.pop(0))
    run = RunConfig(features_and_tasks=schema)
    known = load_knowledge(run, user)
    assert known.features["height"] == 7
    assert set(known.features) == {"age", "gender", "occupation", "height"}
    with pytest.raises(Failure, match="users: lacks the column height"):
        load_knowledge(run, user)


def test_only_what_the_model_reads_is_sent(interactions):
    class Client:
        def metadata(self):
            return {
                "recommend": Signature(dict.fromkeys(["age", "history_rating"]), {}, frozenset())
            }

    known = knowledge_of(interactions, interactions.events["user_id"].iloc[-1])
    assert set(known.inputs(Client(), has_history_values=True)) == {"age", "history_rating"}
    assert set(known.inputs(Client(), has_history_values=False)) == {"age"}


def test_tasks_stand_in_one_order_whatever_the_server_s(capsys):
    scores = {"watch": np.array([1.0]), "click": np.array([2.0])}
    offer = Recommendation("7", np.array(["a"]), np.array([3.0]), scores, 1)
    lines = printed(answer_table(offer, {}), capsys)
    assert lines == ["item score click watch", "1 a 3.000 2.000 1.000"]


def test_new_user_brings_titles_only(interactions):
    known = knowledge_of(interactions, "nobody")
    assert (known.history, known.history_values, known.features) == ((), {}, {})
    assert len(known.titles) == 30


def test_metric_that_a_baseline_lacks_is_a_dash(capsys):
    columns = {"model": {"watch/hit_at_10": 0.25, "rating/rmse": 0.9}, "bias": {"rating/rmse": 1.0}}
    lines = printed(metrics_table(columns), capsys)
    assert lines == ["metric model bias", "watch hit@10 0.2500 -", "rating rmse 0.9000 1.0000"]


def test_progress_goes_to_stderr():
    assert ERR.stderr
    assert not OUT.stderr
