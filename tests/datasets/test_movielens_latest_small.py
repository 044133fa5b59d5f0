import numpy as np
import pytest

from recsys_tf.datasets import load_movielens_latest_small


@pytest.fixture
def folder(tmp_path, write):
    write(
        tmp_path / "ratings.csv",
        ["userId,movieId,rating,timestamp", "1,10,4.5,1000000000", "1,20,0.5,1000000060",
         "2,10,3.0,1000003600", "2,30,5.5,1000003601"],
    )  # fmt: skip
    write(
        tmp_path / "movies.csv",
        ["movieId,title,genres", '10,"Clockmaker, The (1994)",Comedy|Drama',
         "20,Heron Lake (1993) ,(no genres listed)", '30,"Say ""Go""",Action'],
    )  # fmt: skip
    write(
        tmp_path / "tags.csv",
        ["userId,movieId,tag,timestamp", "1,10,Slow,1000000100", '2,10,"sad, true",1000000050',
         "2,10,slow,1000000200", "1,20,late,1000009999"],
    )  # fmt: skip
    return tmp_path


def test_files_become_events_users_and_items(folder):
    data = load_movielens_latest_small(folder)
    assert data.events["rating"].tolist() == [4.5, 0.5, 3.0]
    assert data.users["user_id"].tolist() == ["1", "2"]
    assert data.items["title"].tolist() == ["Clockmaker, The", "Heron Lake", 'Say "Go"']
    np.testing.assert_array_equal(data.items["release_year"], [1994, 1993, np.nan])
    assert data.items["genres"].tolist() == [["Comedy", "Drama"], [], ["Action"]]
    assert data.rejections.counts == {"rating: outside [0.5, 5]": 1}


def test_tags_of_the_future_are_left_out(folder):
    data = load_movielens_latest_small(folder, tags_until=1000000100)
    assert data.items["tags"].tolist() == ["sad, true, slow", "", ""]
    assert data.schema.feature("tags").kind == "text"
    assert "tags.csv: 4 rows read, 4 kept, none rejected" in data.rejections.summary()
    later = load_movielens_latest_small(folder, tags_until=2_000_000_000)
    assert later.items["tags"].tolist() == ["sad, true, slow", "late", ""]


def test_without_tags_there_is_no_such_feature(folder):
    data = load_movielens_latest_small(folder)
    assert "tags" not in data.items
    assert "tags" not in [feature.name for feature in data.schema.features]
