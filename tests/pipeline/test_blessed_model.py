"""Which model a new one is compared with, and when that says nothing."""

from __future__ import annotations

import shutil

import pytest
from tfx.types import standard_artifacts

from pipeline.components.blessed_model import BlessedModelInService, IncomparableModelError
from pipeline.measures import write_columns
from pipeline.publishing import publish, withdraw

COLUMNS = ("rating/squared", "rating/weight")


class Store:
    """Models and blessings as the metadata store has them, and the folder that serves."""

    def __init__(self, folder, saved_model):
        self.folder, self.served = folder, folder / "served"
        self._saved_model = saved_model
        self.models, self.blessings = {}, []

    def train(self, name, is_blessed=True):
        model, blessing = standard_artifacts.Model(), standard_artifacts.ModelBlessing()
        model.id = len(self.models) + 1
        model.uri = str(self.folder / name)
        self._saved_model(name, self.folder / name / "Format-Serving")
        write_columns(self.folder / name, COLUMNS)
        blessing.set_int_custom_property("current_model_id", model.id)
        blessing.set_int_custom_property("blessed", int(is_blessed))
        self.models[name] = model
        self.blessings.append(blessing)

    def publish(self, name):
        return publish(self.folder / name / "Format-Serving", self.served).path

    def baseline(self, candidate, columns=COLUMNS, is_wanted=True):
        """Returns the name of the model that `candidate` is compared with."""
        resolver = BlessedModelInService(list(columns), str(self.served), is_wanted)
        channels = {
            "model": list(self.models.values()),
            "model_blessing": self.blessings,
            "candidate": [self.models[candidate]],
        }
        found = resolver.resolve_artifacts(None, channels)
        assert found["candidate"] == channels["candidate"]
        blessings = found["model_blessing"]
        of_blessings = [each.get_int_custom_property("current_model_id") for each in blessings]
        assert of_blessings == [model.id for model in found["model"]]
        names = [model.uri.rpartition("/")[2] for model in found["model"]]
        return names[0] if names else None


@pytest.fixture
def store(tmp_path, saved_model):
    """The models A, which is not blessed, B and C; nothing is published."""
    made = Store(tmp_path, saved_model)
    for name in "ABC":
        made.train(name, is_blessed=name > "A")
    return made


@pytest.fixture
def serving(tmp_path, saved_model):
    """The models A, B and C, all blessed; A was published, then B."""
    made = Store(tmp_path, saved_model)
    for name in "ABC":
        made.train(name)
    made.publish("A")
    made.publish("B")
    return made


def test_without_a_version_it_is_the_latest_blessed_one_but_the_candidate(store):
    assert store.baseline("C") == "B"
    assert store.baseline("B") == "C"


def test_without_a_blessed_one_there_is_nothing_to_compare_with(store):
    del store.blessings[1:]
    assert store.baseline("C") is None


def test_a_folder_that_was_filled_by_hand_tells_nothing(store, saved_model):
    publish(saved_model("by hand"), store.served)
    (store.served / "99999999999").mkdir()
    assert store.baseline("C") == "B"


def test_it_is_the_model_that_serves(serving):
    assert serving.baseline("C") == "B"


def test_after_a_step_back_it_is_the_version_before(serving):
    shutil.rmtree(max(serving.served.glob("[0-9]*")))
    assert serving.baseline("C") == "A"


def test_after_an_older_model_was_published_once_more_it_is_that_one(serving):
    serving.publish("A")
    assert serving.baseline("C") == "A"


def test_an_unchanged_run_is_compared_with_the_same_model_again(serving):
    before = serving.baseline("C")
    serving.publish("C")
    assert serving.baseline("C") == before == "B"


def test_an_unchanged_first_run_has_nothing_to_compare_with_again(serving):
    withdraw(serving.served)
    assert serving.baseline("A") is None


def test_a_withdrawn_model_is_no_measure_where_nothing_serves(serving):
    withdraw(serving.served)
    withdraw(serving.served, allow_empty=True)
    assert serving.baseline("C") is None


def test_a_served_model_that_is_not_blessed_is_passed_over(serving):
    serving.train("D", is_blessed=False)
    serving.publish("D")
    assert serving.baseline("C") == "B"


def test_other_measures_stop_the_run_and_say_which(serving):
    with pytest.raises(IncomparableModelError, match=r"\(click/score, rating/weight\)"):
        serving.baseline("C", ("rating/squared", "click/score"))


def test_model_of_an_older_version_stops_the_run(serving, tmp_path):
    (tmp_path / "B" / "evaluation_columns.json").unlink()
    with pytest.raises(IncomparableModelError, match="older version"):
        serving.baseline("C")


def test_comparison_can_be_taken_back(serving):
    assert serving.baseline("C", ("click/score",), is_wanted=False) is None
