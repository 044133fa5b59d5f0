"""What is told to other programs."""

import json
import math

from recsys_tf.cli.console import to_json
from recsys_tf.cli.run_folder import RunFolder
from recsys_tf.config import RunConfig


def refuse(name):
    raise AssertionError(f"{name} is no JSON")


def test_numbers_that_are_not_finite_are_null_however_deep():
    values = {"a": [1.5, math.inf, (math.nan, -math.inf)], "b": {"c": math.nan}, "d": "NaN", "e": 1}
    found = json.loads(to_json(values), parse_constant=refuse)
    assert found == {"a": [1.5, None, [None, None]], "b": {"c": None}, "d": "NaN", "e": 1}


def test_history_of_a_run_is_json_where_a_metric_is_undefined(tmp_path):
    class Saved:
        def save(self, path):
            path.mkdir() if path.name == "features" else path.write_text("")

    folder = RunFolder(tmp_path / "run")
    folder.claim(RunConfig(), is_overwriting=False)
    folder.save(RunConfig(), Saved(), Saved(), {"click_auc": [math.nan, 0.5]})
    text = (folder.path / "history.json").read_text()
    assert json.loads(text, parse_constant=refuse) == {"click_auc": [None, 0.5]}
