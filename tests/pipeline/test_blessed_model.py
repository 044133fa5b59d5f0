"""Which model a new one is compared with, and when that says nothing."""

from __future__ import annotations

import pytest
from tfx.types import standard_artifacts

from pipeline.components.blessed_model import IncomparableModelError, LatestOtherBlessedModel
from pipeline.measures import write_columns

COLUMNS = ("rating/squared", "rating/weight")


@pytest.fixture
def channels(tmp_path):
    """Three models, of which 2 and 3 are blessed; 3 is the candidate."""
    models, blessings = [], []
    for number in (1, 2, 3):
        model, blessing = standard_artifacts.Model(), standard_artifacts.ModelBlessing()
        model.id, model.uri = number, str(tmp_path / str(number))
        (tmp_path / str(number)).mkdir()
        write_columns(tmp_path / str(number), COLUMNS)
        blessing.set_int_custom_property("current_model_id", number)
        blessing.set_int_custom_property("blessed", int(number > 1))
        models.append(model)
        blessings.append(blessing)
    return {"model": models, "model_blessing": blessings, "candidate": models[2:]}


def resolve(channels, columns=COLUMNS, is_wanted=True):
    found = LatestOtherBlessedModel(list(columns), is_wanted).resolve_artifacts(None, channels)
    return [model.id for model in found["model"]]


def test_latest_blessed_one_that_is_not_the_candidate(channels):
    assert resolve(channels) == [2]


def test_without_a_blessed_one_there_is_nothing_to_compare_with(channels):
    channels["model_blessing"] = channels["model_blessing"][:1]
    assert resolve(channels) == []


def test_other_measures_stop_the_run_and_say_which(channels):
    with pytest.raises(IncomparableModelError, match=r"\(click/score, rating/weight\)"):
        resolve(channels, ("rating/squared", "click/score"))


def test_model_of_an_older_version_stops_the_run(channels, tmp_path):
    (tmp_path / "2" / "evaluation_columns.json").unlink()
    with pytest.raises(IncomparableModelError, match="older version"):
        resolve(channels)


def test_comparison_can_be_taken_back(channels):
    assert resolve(channels, ("click/score",), is_wanted=False) == []
