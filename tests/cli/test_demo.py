import dataclasses
import json

import pytest

from pipeline.root_lock import PipelineError, only_run
from recsys_tf.cli.demo_asked import asked_users, typed_history
from recsys_tf.cli.demo_memory import DemoResult, demo_key, forget, recall, remember
from recsys_tf.config import RunConfig
from recsys_tf.datasets import load_synthetic
from recsys_tf.presets import preset


@pytest.fixture(scope="module")
def interactions():
    return load_synthetic(num_users=60, num_items=40, num_events=1000)


@pytest.fixture
def result(tmp_path):
    version = tmp_path / "serving" / "recommender" / "7"
    version.mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"")
    return DemoResult(True, [], 7, str(version), {"overall": {"rating/rmse": 0.9}}, {})


def test_one_user_is_busy_one_quiet_one_new(interactions):
    busy, quiet, new = asked_users(interactions)
    counts = interactions.events["user_id"].value_counts()
    assert counts[busy.user] > counts.median() > counts[quiet.user]
    assert new.user not in counts.index
    assert len(new.history) == len(set(new.history)) == 3


def test_typed_history_is_the_most_frequent_item_and_those_of_its_kind(interactions):
    counts = interactions.events["item_id"].value_counts()
    history = typed_history(interactions)
    genres = interactions.items.set_index("item_id")["genres"]
    assert counts[history[0]] == counts.max()
    shares = [len({*genres[history[0]]} & {*genres[item]}) for item in history]
    assert shares[0] >= shares[1] >= 1


def test_same_run_and_data_have_the_same_key(interactions):
    again = load_synthetic(num_users=60, num_items=40, num_events=1000)
    assert demo_key(RunConfig(), interactions) == demo_key(RunConfig(), again)


def test_other_run_or_data_has_another_key(interactions):
    other_data = load_synthetic(num_users=60, num_items=40, num_events=1000, seed=1)
    keys = {
        demo_key(RunConfig(), interactions),
        demo_key(preset("synthetic"), interactions),
        demo_key(RunConfig(), other_data),
    }
    assert len(keys) == 3


CHANGES = {
    "ratings": lambda data: {"events": data.events.assign(rating=3.0)},
    "titles": lambda data: {"items": data.items.assign(title="The same")},
    "genres": lambda data: {"items": data.items.assign(genres=[["Drama"]] * len(data.items))},
    "users": lambda data: {"users": data.users.assign(city="Oslo")},
    "schema": lambda data: {
        "schema": data.schema.model_copy(update={"tasks": data.schema.tasks[:-1]})
    },
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_another_value_or_meaning_of_the_data_has_another_key(interactions, change):
    changed = dataclasses.replace(interactions, **change(interactions))
    assert demo_key(RunConfig(), changed) != demo_key(RunConfig(), interactions)


def test_result_is_recalled_by_its_key_alone(tmp_path, result):
    remember(tmp_path, "key", result)
    assert recall(tmp_path, "key") == result
    assert recall(tmp_path, "other") is None


def test_deleted_model_is_not_recalled(tmp_path, result):
    remember(tmp_path, "key", result)
    (tmp_path / "serving" / "recommender" / "7" / "saved_model.pb").unlink()
    assert recall(tmp_path, "key") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"key": "key", "x": 1})])
def test_damaged_memory_is_no_memory(tmp_path, text):
    (tmp_path / "demo.json").write_text(text)
    assert recall(tmp_path, "key") is None


def test_forgetting_deletes_what_the_demo_made_and_nothing_else(tmp_path, result):
    remember(tmp_path, "key", result)
    (tmp_path / "mine.txt").write_text("x")
    forget(tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == [".lock", "mine.txt"]


def test_nothing_is_forgotten_under_a_run_at_work(tmp_path, result):
    remember(tmp_path, "key", result)
    with only_run(tmp_path), pytest.raises(PipelineError, match="Another run is at work in"):
        forget(tmp_path)
    assert recall(tmp_path, "key") == result
