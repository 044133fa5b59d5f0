import json
import math
from types import SimpleNamespace

import pytest

from recsys_tf.cli import pipeline

REASON = "this model was withdrawn as version 7; delete 7.json to let it be published again."


@pytest.fixture
def withdrawn(monkeypatch):
    """Makes each run end with a blessed model that was withdrawn."""
    result = SimpleNamespace(
        is_blessed=True,
        is_published=False,
        reasons=(REASON,),
        version=None,
        path=None,
        metrics={"overall": {"rating/rmse": 0.9, "click/auc": math.nan}},
        components=(),
    )
    monkeypatch.setattr(pipeline, "require", lambda *_: None)
    monkeypatch.setattr(pipeline, "load_prepared", lambda *_: None)
    monkeypatch.setattr(pipeline, "run_told", lambda *_: result)


def test_withdrawn_model_is_said_to_be_not_published(call, withdrawn, tmp_path):
    result = call("pipeline", "--dataset", "synthetic", "--root", tmp_path)
    assert result.exit_code == 1
    assert f"Not published: {REASON}" in result.stdout
    result = call("pipeline", "--dataset", "synthetic", "--root", tmp_path, "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert (told["is_blessed"], told["version"], told["reasons"]) == (True, None, [REASON])
    # Undefined in this slice; NaN is no JSON.
    assert told["metrics"] == {"overall": {"rating/rmse": 0.9, "click/auc": None}}


def test_what_is_told_of_the_served_folder_is_printed(capsys):
    with pipeline._Teller() as tell:
        tell("Pusher: publishes the model if it passed")
        tell("Pusher: from the cache")
        tell("Serving: version 7 is gone from served; once more")
        tell("Pusher: publishes the model if it passed")
        tell("Pusher: done in 0.1 s")
    lines = capsys.readouterr().err.splitlines()
    assert lines[1] == "  Serving: version 7 is gone from served; once more"
    assert [line.split("  ")[0] for line in (lines[0], lines[2])] == [
        "Pusher: publishes the model if it passed"
    ] * 2


@pytest.mark.parametrize(
    ("answered", "heading"), [(0.02, "watch ndcg@10"), (0.03, "watch answered ndcg@10")]
)
def test_the_answers_stand_in_the_place_of_retrieval_where_they_differ(answered, heading):
    overall = {"watch/ndcg_at_10": 0.02, "watch/answered_ndcg_at_10": answered}
    table = pipeline.slice_table({"overall": overall})
    assert [column.header for column in table.columns] == ["held-out rows", heading]
