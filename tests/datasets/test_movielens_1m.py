import numpy as np
import pandas as pd
import pytest

from recsys_tf.config import DataConfig
from recsys_tf.datasets import load_movielens_1m, make_split


@pytest.fixture
def folder(tmp_path, write):
    users = ["1::F::1::10::48067", "2::M::56::16::70072", "3::M::25::::55117"]
    write(tmp_path / "users.dat", users)
    movies = ["1::Paper: Boats (1995)::Comedy|Drama", "2::Café Zéro (1971)::Drama"]
    write(tmp_path / "movies.dat", movies, encoding="latin-1")
    return tmp_path


def write_recovered(folder, **changes):
    columns = {
        "user": [1, 1, 1, 2],
        "movie": [1, 2, 3, 1],
        "rating_bucket": np.array([5, 2, 4, 3], np.int8),
        "ge3": [True, False, True, True],
        "ge4": [True, False, True, False],
        "eq5": pd.array([1, 0, None, 0], dtype="Int8"),
        "time_rank": [1, 0, -1, 0],
        "ncf_test": [False, False, True, False],
    }
    frame = pd.DataFrame({**columns, **changes})
    frame.to_parquet(folder / "ml1m_recovered.parquet")


def test_published_form_is_read(folder, write):
    ratings = ["1::1::5::978300760", "2::2::3::978302109", "2::1::0::978302110"]
    write(folder / "ratings.dat", ratings)
    data = load_movielens_1m(folder)
    assert data.events["rating"].tolist() == [5.0, 3.0]
    assert data.events["hour"].tolist() == ["22", "22"]
    assert data.items["title"].tolist() == ["Paper: Boats", "Café Zéro"]
    assert data.rejections.counts == {"rating: outside [1, 5]": 1}
    assert data.is_time_comparable


def test_users_get_names_for_codes(folder):
    write_recovered(folder)
    users = load_movielens_1m(folder).users
    assert users["age"].tolist() == ["1", "56", "25"]
    assert users["age_group"].tolist() == ["under_25", "35_and_over", "25_to_34"]
    assert users["occupation"].tolist() == ["K-12 student", "self-employed", ""]
    assert users["zip_area"].tolist() == ["4", "7", "5"]


def test_recovered_form_gives_ranks_for_times_and_no_clock(folder):
    write_recovered(folder)
    data = load_movielens_1m(folder)
    assert data.events["user_id"].tolist() == ["1", "1", "1", "2"]
    assert data.events["rating"].tolist() == [5, 2, 4, 3]
    assert data.events["timestamp"].tolist() == [2, 1, 0, 1]
    np.testing.assert_array_equal(data.events["eq5"], [1, 0, np.nan, 0])
    assert data.events["is_ncf_test"].tolist() == [False, False, True, False]
    assert not any(feature.side == "context" for feature in data.schema.features)
    assert data.items["item_id"].tolist() == ["1", "2", "3"]
    with pytest.raises(ValueError, match="`split` must not be 'time'"):
        make_split(data, DataConfig(split="time"))


def test_published_form_goes_before_the_recovered_one(folder, write):
    write_recovered(folder)
    write(folder / "ratings.dat", ["1::1::5::978300760"])
    assert len(load_movielens_1m(folder)) == 1


def test_recovered_form_without_a_column_is_refused(folder):
    pd.DataFrame({"user": [1], "movie": [1]}).to_parquet(folder / "ml1m_recovered.parquet")
    with pytest.raises(ValueError, match="lacks the columns eq5, ge3, ge4, ncf_test, rating"):
        load_movielens_1m(folder)


def test_repeated_row_of_the_recovered_form_is_told_by_its_number_in_the_file(folder):
    write_recovered(folder, movie=[1, 2, 2, 1], time_rank=[1, 0, 0, 0])
    rejected = load_movielens_1m(folder).rejections.rows
    assert rejected["line"].tolist() == [3]
    assert rejected["reason"].tolist() == ["a repeated (user_id, item_id, timestamp)"]
