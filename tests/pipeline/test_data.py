"""The folder of the written splits."""

from __future__ import annotations

import pytest

from pipeline.data import remove_leftovers

pytestmark = pytest.mark.pipeline


def test_leftovers_go_and_written_data_stay(tmp_path):
    for name in ("abc", ".writing-abc"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rows.json").write_text("{}")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["abc"]
    remove_leftovers(tmp_path / "nowhere")
