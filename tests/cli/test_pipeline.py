import json
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
        metrics={"overall": {"rating/rmse": 0.9}},
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
