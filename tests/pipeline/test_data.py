"""What is refused before a row is written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.data import remove_leftovers, write_data
from recsys_tf.features import make_dataset, make_record_dataset

pytestmark = pytest.mark.pipeline


def with_events(data, **columns):
    events = data.interactions.events.assign(**columns)
    return replace(data, interactions=replace(data.interactions, events=events))


def changed(data, part, **values):
    """Sets labels in the first row of a part."""
    events = data.interactions.events
    columns = {name: events[name].astype(float).copy() for name in values}
    for name, value in values.items():
        columns[name].iloc[data.rows(part)[0]] = value
    return with_events(data, **columns)


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_binary_label_between_0_and_1_is_refused_in_every_split(prepared, tmp_path, part):
    with pytest.raises(ValueError, match=r"`click` must be 0 or 1 .* 1 rows .* the first 0\.4"):
        write_data(changed(prepared, part, click=0.4), tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_purchase_without_its_click_is_refused(prepared, tmp_path):
    data = changed(prepared, "train", click=0.0, like=0.0, purchase=1.0)
    with pytest.raises(ValueError, match="no success of 'purchase' in a row without 'click': 1 ro"):
        write_data(data, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_missing_weight_is_refused(prepared, tmp_path):
    tasks = tuple(
        each.model_copy(update={"sample_weight": "weight"}) if each.name == "rating" else each
        for each in prepared.schema.tasks
    )
    schema = prepared.schema.model_copy(update={"tasks": tasks})
    data = changed(with_events(prepared, weight=1.0), "train", weight=float("nan"))
    with pytest.raises(ValueError, match="`weight` must be a finite weight >= 0: 1 rows are not"):
        write_data(replace(data, schema=schema), tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_sound_labels_are_written(prepared, tmp_path):
    written = write_data(prepared, tmp_path / "data")
    assert written.rows == {
        part: len(prepared.rows(part)) for part in ("train", "validation", "test")
    }


def test_what_is_met_again_is_written_as_it_is_trained_on_in_memory(prepared, tmp_path):
    events = prepared.interactions.events
    same = events.groupby("user_id")["item_id"].transform("first")
    data = with_events(prepared, item_id=same)
    folder = write_data(data, tmp_path / "data").folder / "train"
    written = make_record_dataset(folder, data.preprocessor, data.schema, len(events))
    in_memory = make_dataset(
        data.train_examples, data.catalogue, data.preprocessor, data.schema, len(events)
    )
    ((found, _, _),), ((expected, _, _),) = written, in_memory
    assert np.any(expected["history"].numpy() == expected["item_id"].numpy()[:, np.newaxis])
    np.testing.assert_array_equal(found["history"], expected["history"])


def test_a_number_within_a_long_vector_makes_other_data(prepared, tmp_path):
    folders = set()
    for middle in (0.0, 1.0):
        vector = np.zeros(2000, np.float32)
        vector[1000] = middle
        items = prepared.interactions.items
        items = items.assign(vector=[vector] * len(items))
        data = replace(prepared, interactions=replace(prepared.interactions, items=items))
        folders.add(write_data(data, tmp_path / "data").folder)
    assert len(folders) == 2


def test_leftovers_go_and_written_data_stay(tmp_path):
    for name in ("abc", ".writing-abc"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rows.json").write_text("{}")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["abc"]
    remove_leftovers(tmp_path / "nowhere")
