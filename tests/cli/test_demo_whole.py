"""The demo on small generated data: once in full, and again from what it remembers."""

from __future__ import annotations

import json
import sys

import pytest

pytest.importorskip("tfx")
pytestmark = [pytest.mark.slow, pytest.mark.pipeline]


def test_second_run_asks_the_same_model_without_a_pipeline(
    call, small_synthetic, small_sections, tmp_path, monkeypatch
):
    # The model is too small to be good; what is tested is the way.
    pipeline = {"name": "small", "min_metrics": {"click/auc": 0.01}}
    sections = {**small_sections, "pipeline": pipeline}
    changes = [f"--set={name}={json.dumps(values)}" for name, values in sections.items()]
    demo = ["demo", "--dataset", "synthetic", "--root", tmp_path, *changes]

    first = call(*demo)
    assert first.exit_code == 0, first.stderr
    for text in ("a long history", "a short history", "a new user", "popularity", "is_new_user"):
        assert text in first.stdout
    assert "Trainer: trains and exports the model" in first.stderr

    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pipeline.runner", None)
        second = call(*demo)
    assert second.exit_code == 0, second.stderr
    assert "nothing has changed" in second.stderr
    assert "Trainer" not in second.stderr
    assert second.stdout == first.stdout

    # In the same folder, where the model comes from the cache and is judged anew.
    changes[-1] = f"--set=pipeline={json.dumps({**pipeline, 'min_metrics': {'click/auc': 0.999}})}"
    result = call(
        "pipeline", "--dataset", "synthetic", "--root", tmp_path / "synthetic", *changes
    )  # fmt: skip
    assert result.exit_code == 1, result.stderr
    assert "Not published: click/auc is" in result.stdout
