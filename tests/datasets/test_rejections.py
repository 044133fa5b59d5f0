import pandas as pd
import pytest

from recsys_tf.datasets import Rejections


def rejections():
    rows = pd.DataFrame(
        {
            "source": ["a", "a", "b"],
            "line": [7, 3, 2],
            "reason": ["empty", "empty", "late"],
            "text": ["", "", "x"],
        }
    )
    return Rejections({"a": 10, "b": 2}, rows, ("converted",))


def test_counts_and_kept_add_up_for_each_source():
    found = rejections()
    assert found.counts == {"empty": 2, "late": 1}
    assert (found.kept("a"), found.kept("b")) == (8, 1)
    assert found.num_rejected == 3


def test_share_is_that_of_the_worst_source():
    assert rejections().share() == 0.5
    assert Rejections().share() == 0.0


def test_check_share_passes_at_the_bound_and_stops_above():
    rejections().check_share(0.5)
    with pytest.raises(ValueError, match=r"(?s)50\.0% .*`max_rejected_share` 40\.0%.*b: 2 rows"):
        rejections().check_share(0.4)


def test_summary_says_each_source_reason_and_note():
    assert rejections().summary().splitlines() == [
        "a: 10 rows read, 8 kept, 2 rejected (2 empty; first: line 3)",
        "b: 2 rows read, 1 kept, 1 rejected (1 late; first: line 2)",
        "note: converted",
    ]


def test_sum_joins_sources_rows_and_notes():
    total = rejections() + Rejections({"c": 5}, notes=("converted", "completed"))
    assert dict(total.num_read) == {"a": 10, "b": 2, "c": 5}
    assert total.num_rejected == 3
    assert total.notes == ("converted", "completed")
    assert repr(total) == "Rejections(17 read, 3 rejected)"
