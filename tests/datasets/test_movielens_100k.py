import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest

from recsys_tf.datasets import DownloadError, load_dataset, load_movielens_100k
from recsys_tf.datasets import movielens_100k as module
from recsys_tf.datasets.movielens import split_title


def assert_equal(one, other):
    for frame in ("events", "users", "items"):
        pd.testing.assert_frame_equal(getattr(one, frame), getattr(other, frame))


def test_both_published_forms_give_equal_frames(recbole, grouplens):
    assert_equal(load_movielens_100k(recbole), load_movielens_100k(grouplens))


def test_archives_give_the_same_as_folders(recbole, grouplens, tmp_path, write):
    for folder, name in ((grouplens, "ml-100k.zip"), (recbole, module.WHEEL.name)):
        (tmp_path / name).mkdir()
        with zipfile.ZipFile(tmp_path / name / name, "w") as archive:
            for path in folder.iterdir():
                archive.write(path, f"some/folder/{path.name}")
        assert_equal(load_movielens_100k(tmp_path / name), load_movielens_100k(folder))


def test_events_keep_the_order_of_the_file(recbole, published_events):
    events = load_movielens_100k(recbole).events
    wanted = [(user, item, float(rating), time) for user, item, rating, time in published_events]
    columns = ["user_id", "item_id", "rating", "timestamp"]
    assert list(events[columns].itertuples(index=False, name=None)) == wanted
    # 880000000 is Thursday, 1997-11-20, 04:26:40 UTC.
    assert events.loc[0, ["hour", "weekday", "daypart"]].tolist() == ["04", "thursday", "night"]


def test_titles_years_and_genres_are_parted(recbole):
    items = load_movielens_100k(recbole).items.set_index("item_id")
    assert items["title"].to_dict() == {
        "1": "Paper Boats",
        "2": "Clockmaker, The (Relojero, El)",
        "3": "Café Zéro",
        "4": "",
        "5": "Heron Lake",
    }
    np.testing.assert_array_equal(items["release_year"], [1995, 1994, 1971, np.nan, 1993])
    assert items["genres"].tolist() == [
        ["Comedy", "Drama"], ["Film-Noir"], [], [], ["Animation", "Children's"],
    ]  # fmt: skip


def test_users_get_age_group_and_zip_area(recbole):
    users = load_movielens_100k(recbole).users
    assert users["age"].tolist() == [24, 25, 35]
    assert users["age_group"].tolist() == ["under_25", "25_to_34", "35_and_over"]
    assert users["zip_area"].tolist() == ["1", "T", "9"]


def test_bad_rows_are_reported_and_events_of_unknown_items_kept(recbole, published_events):
    text = (recbole / "ml-100k.inter").read_text()
    bad = ["7\t1\t9\t880000000", "7\t1\t5\t880000000", "8\t99\t4\t880000000", "half a row"]
    (recbole / "ml-100k.inter").write_text(text + "\n".join(bad))
    data = load_movielens_100k(recbole)
    assert len(data) == len(published_events) + 1
    assert data.rejections.counts == {
        "rating: outside [1, 5]": 1,
        "a repeated (user_id, item_id, timestamp)": 1,
        "with a wrong number of columns": 1,
    }
    assert data.rejections.kept("ml-100k.inter") == len(data)
    added = data.items.iloc[-1]
    assert (added["item_id"], added["title"], added["genres"]) == ("99", "", [])
    assert np.isnan(added["release_year"])
    assert "1 values of `item_id` in the events have no row" in data.rejections.summary()


def test_other_columns_are_refused(recbole, write):
    write(recbole / "ml-100k.user", ["user\tage", "7\t24"])
    with pytest.raises(ValueError, match=r"`ml-100k\.user` lacks 5 of 5 columns"):
        load_movielens_100k(recbole)


def test_environment_and_registry_lead_to_the_loader(
    recbole, tmp_path, monkeypatch, published_events
):
    shutil.move(recbole, tmp_path / "data" / "ml-100k")
    monkeypatch.setenv("RECSYS_DATA_DIR", str(tmp_path / "data"))
    assert len(load_dataset("ml-100k")) == len(published_events)
    with pytest.raises(ValueError, match=r"`dataset` must be one of .*Did you mean 'ml-100k'"):
        load_dataset("ml100k")


def test_wheel_is_the_second_way_in(recbole, monkeypatch, tmp_path, published_events, write):
    with zipfile.ZipFile(tmp_path / "recbole.whl", "w") as archive:
        for path in recbole.iterdir():
            archive.write(path, f"recbole/dataset_example/ml-100k/{path.name}")
    tried = []

    def no_address(remote, folder):
        tried.append(remote.name)
        raise DownloadError("no address")

    def wheel(requirement, remote, folder):
        tried.append(requirement)
        return tmp_path / "recbole.whl"

    monkeypatch.setattr(module, "download", no_address)
    monkeypatch.setattr(module, "download_wheel", wheel)
    assert len(load_movielens_100k()) == len(published_events)
    assert tried == ["ml-100k.zip", "recbole==1.2.1"]


def test_both_ways_failing_are_both_reported(monkeypatch):
    def fail(text):
        def fetch(*arguments):
            raise DownloadError(text)

        return fetch

    monkeypatch.setattr(module, "download", fail("first."))
    monkeypatch.setattr(module, "download_wheel", fail("second."))
    with pytest.raises(DownloadError, match=r"ml-100k was found nowhere\. first\. second\."):
        load_movielens_100k()


@pytest.mark.parametrize(
    ("title", "parted"),
    [
        ("Paper Boats (1995)", ("Paper Boats", 1995.0)),
        (" Paper Boats (1995) ", ("Paper Boats", 1995.0)),
        ("Paper Boats (1995) (V)", ("Paper Boats", 1995.0)),
        ("Boats (Barcos) (1995)", ("Boats (Barcos)", 1995.0)),
        ("1984 (1984)", ("1984", 1984.0)),
    ],
)
def test_year_is_parted_from_title(title, parted):
    assert split_title(title) == parted


def test_title_without_year_has_none():
    title, year = split_title("Babylon")
    assert title == "Babylon"
    assert np.isnan(year)
