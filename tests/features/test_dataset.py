from __future__ import annotations

import numpy as np
import pytest

from recsys_tf.features import Examples, make_dataset, transform_catalogue, transformed

LENGTH = 4


def batches(world, **options):
    options = {"batch_size": 32, **options}
    examples = options.pop("examples", world.examples)
    return make_dataset(examples, world.catalogue, world.preprocessor, world.schema, **options)


def ids(dataset):
    return [row for batch in dataset for row in batch[0]["user_id"].numpy().tolist()]


@pytest.mark.parametrize("table_bytes", [2**30, 0])
@pytest.mark.parametrize("history", ["past", "others"])
def test_rows_equal_the_preprocessor_on_each_row(plain_world, monkeypatch, table_bytes, history):
    # Both ways to make a history: laid out once, and gathered from the windows.
    monkeypatch.setattr(transformed, "_MAX_TABLE_BYTES", table_bytes)
    world = plain_world
    examples = world.make(world.train, history)
    dataset = batches(world, examples=examples, is_target_masked=False, batch_size=7)
    found = plain_world.dataset_rows(dataset)
    raw = [world.raw(row, is_target_masked=False) for row in world.train]
    if history == "others":
        for row, values in enumerate(raw):
            for name in ("history", "ratings", "surfaces", "moments"):
                values[name] = examples.lists[name].row(row).tolist()[-LENGTH:]
    wanted = world.eager_rows(raw)
    assert set(found) == set(wanted)
    for name in wanted:
        assert found[name].dtype == wanted[name].dtype
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)


@pytest.mark.parametrize("table_bytes", [2**30, 0])
@pytest.mark.parametrize("num_known", [15, 4])
def test_own_item_is_taken_out_of_the_history_with_its_value(
    plain_world, with_known_items, monkeypatch, table_bytes, num_known
):
    monkeypatch.setattr(transformed, "_MAX_TABLE_BYTES", table_bytes)
    world = with_known_items(plain_world, num_known)
    examples = world.make(world.train, "others", world.train)
    masked, kept = (
        plain_world.dataset_rows(batches(world, examples=examples, is_target_masked=flag))
        for flag in (True, False)
    )
    # Told by the ids: all unknown items have one index.
    is_target = np.zeros(kept["history"].shape, bool)
    for row, item in enumerate(world.events.item_id[:100]):
        events = examples.lists["history"].row(row)[-LENGTH:]
        is_target[row, : len(events)] = events == item
    assert is_target.any()
    is_same_index = kept["history"] == kept["item_id"][:, None]
    assert (is_same_index & ~is_target).any() == (num_known == 4)
    for name in ("history", "ratings", "surfaces", "moments"):
        np.testing.assert_array_equal(masked[name], np.where(is_target, 0, kept[name]))


def test_what_was_met_before_and_is_met_again_stays_in_the_history(plain_world):
    found, kept, masked = (
        plain_world.dataset_rows(batches(plain_world, is_target_masked=flag))
        for flag in (None, False, True)
    )
    for name in ("history", "ratings", "surfaces", "moments"):
        np.testing.assert_array_equal(found[name], kept[name])
        assert np.any(found[name] != masked[name])


@pytest.mark.parametrize(
    ("rows", "history", "has_target"),
    [
        (range(100), "past", False),
        (range(100), "others", True),
        (range(99, 120), "others", True),
        (range(100, 120), "others", False),
    ],
)
def test_histories_lose_the_own_item_where_the_own_event_may_stand_in_one(
    plain_world, rows, history, has_target
):
    examples = plain_world.make(np.array(rows), history, plain_world.train)
    assert examples.has_target is has_target
    assert examples.take(np.arange(3)).has_target is has_target
    found, expected = (
        plain_world.dataset_rows(batches(plain_world, examples=examples, is_target_masked=flag))
        for flag in (None, has_target)
    )
    np.testing.assert_array_equal(found["history"], expected["history"])


def test_labels_and_weights_come_in_the_rows_order(plain_world):
    labels = np.concatenate([batch[1]["rating"] for batch in batches(plain_world)])
    weights = np.concatenate([batch[2]["click"] for batch in batches(plain_world)])
    np.testing.assert_array_equal(labels, plain_world.events.rating[:100].astype(np.float32))
    np.testing.assert_array_equal(weights, plain_world.events.click_weight[:100])


def test_every_task_has_a_label_and_a_weight(plain_world):
    _, labels, weights = next(iter(batches(plain_world)))
    assert set(labels) == set(weights) == {task.name for task in plain_world.schema.tasks}
    num_genres = plain_world.state.num_indices("genres")
    assert labels["genres_task"].shape == (32, num_genres)


def test_order_is_drawn_anew_each_epoch_and_equally_each_run(plain_world):
    first, second = batches(plain_world, shuffle_seed=1), batches(plain_world, shuffle_seed=1)
    one, two = ids(first), ids(first)
    assert one != two
    assert [ids(second), ids(second)] == [one, two]
    assert sorted(one) == sorted(ids(batches(plain_world)))
    assert ids(batches(plain_world, shuffle_seed=2)) != one


def test_features_stay_with_their_labels_when_shuffled(plain_world):
    def pairs(seed):
        dataset = batches(plain_world, shuffle_seed=seed)
        return sorted(
            (*np.asarray(f["age"][k]), int(f["item_id"][k]), float(y["click"][k]))
            for f, y, _ in dataset
            for k in range(len(y["click"]))
        )

    assert pairs(None) == pairs(5)


@pytest.mark.parametrize(("drop", "sizes"), [(False, [32, 32, 32, 4]), (True, [32, 32, 32])])
@pytest.mark.parametrize("seed", [None, 3])
def test_last_batch_is_shorter_or_left_out(plain_world, drop, sizes, seed):
    dataset = batches(plain_world, drop_remainder=drop, shuffle_seed=seed)
    assert [len(batch[1]["rating"]) for batch in dataset] == sizes
    assert int(dataset.cardinality()) == len(sizes)
    assert dataset.element_spec[0]["age"].shape.as_list() == [32 if drop else None, 2]
    assert dataset.element_spec[0]["history"].shape.as_list()[1] == LENGTH


@pytest.mark.parametrize("seed", [None, 3])
def test_no_rows_make_no_batch(plain_world, seed):
    examples = plain_world.make(np.array([], int))
    dataset = batches(plain_world, examples=examples, shuffle_seed=seed)
    assert int(dataset.cardinality()) == 0
    assert list(dataset) == []


def test_catalogue_is_transformed_in_its_order(plain_world):
    columns = transform_catalogue(
        plain_world.catalogue, plain_world.preprocessor, plain_world.schema
    )
    state = plain_world.state
    wanted = [
        state.vocabularies["item_id"].index(item) + 2
        if item in state.vocabularies["item_id"]
        else 1
        for item in plain_world.items.item_id
    ]
    assert columns["item_id"].tolist() == wanted
    assert columns["image"][3].tolist() == [0, 0, 0]


def test_small_chunks_change_nothing(plain_world, monkeypatch):
    whole = plain_world.dataset_rows(batches(plain_world))
    monkeypatch.setattr(transformed, "_CHUNK", 3)
    for name, value in plain_world.dataset_rows(batches(plain_world)).items():
        np.testing.assert_array_equal(value, whole[name])


def changed(examples, **columns):
    return Examples({**examples.columns, **columns}, examples.lists)


def test_labels_that_are_not_finite_are_refused(plain_world):
    rating = plain_world.examples.columns["rating"].copy()
    rating[3:5] = np.inf
    with pytest.raises(ValueError, match="`rating` must be finite: 2 rows"):
        batches(plain_world, examples=changed(plain_world.examples, rating=rating))


def test_item_that_the_catalogue_lacks_is_refused(plain_world):
    item_id = plain_world.examples.columns["item_id"].copy()
    item_id[0] = "elsewhere"
    with pytest.raises(ValueError, match="`catalogue` lacks the items of 1 of 100"):
        batches(plain_world, examples=changed(plain_world.examples, item_id=item_id))


@pytest.mark.parametrize(("name", "kind"), [("age", "feature"), ("click", "label or weight")])
def test_missing_column_is_named(plain_world, name, kind):
    examples = plain_world.examples
    columns = {key: value for key, value in examples.columns.items() if key != name}
    with pytest.raises(ValueError, match=f"`examples` lacks the {kind} '{name}'"):
        batches(plain_world, examples=Examples(columns, examples.lists))


def test_batch_size_of_zero_is_refused(plain_world):
    with pytest.raises(ValueError, match="`batch_size` must be 1 or more, received 0"):
        batches(plain_world, batch_size=0)
