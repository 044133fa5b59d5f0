"""The script of watched, liked and loved, on a few rated rows."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

NUM_USERS, NUM_FILMS = 12, 30

pytestmark = pytest.mark.checkout


@pytest.fixture(scope="module")
def twins(load_script):
    pytest.importorskip("sklearn")
    return load_script("task_twins")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Each user rates ten films of thirty; whether one row has 4 or 5 is not known."""
    path = tmp_path_factory.mktemp("ml-1m")
    users = [f"{u + 1}::F::25::{u % 3}::0{u}" for u in range(NUM_USERS)]
    (path / "users.dat").write_text("\n".join(users), encoding="latin-1")
    films = [f"{f + 1}::Café {f}::Drama|War" for f in range(NUM_FILMS)]
    (path / "movies.dat").write_text("\n".join(films), encoding="latin-1")
    pairs = [(u + 1, (3 * u + f) % NUM_FILMS + 1) for u in range(NUM_USERS) for f in range(10)]
    stars = np.random.default_rng(0).integers(1, 6, len(pairs))
    stars[0] = 4
    columns = dict(zip(("user", "movie"), np.transpose(pairs), strict=True))
    rated = pd.DataFrame(columns | {"ge4": stars >= 4, "eq5": (stars == 5).astype(int)})
    rated["eq5"] = rated["eq5"].astype("Int8")
    rated.loc[0, "eq5"] = pd.NA
    rated.to_parquet(path / "ml1m_recovered.parquet")
    return path


def test_as_many_films_are_drawn_as_a_user_rated_and_none_that_he_did(twins):
    users, films = np.array([2, 1, 2, 1, 1]), np.array([5, 1, 7, 2, 3])
    found = twins.draw_unrated(users, films, np.array([1, 2, 3, 5, 7]), np.random.default_rng(0))
    # The first user has but two films left.
    assert sorted(found[found[:, 0] == 1, 1]) == [5, 7]
    of_second = found[found[:, 0] == 2, 1]
    assert len(set(of_second)) == 2
    assert not set(of_second) & {5, 7}


def test_likes_are_asked_of_rated_rows_alone(twins, folder):
    rows = twins.load(folder, seed=0).rows
    is_rated = rows["watched"] == 1
    assert is_rated.sum() == (~is_rated).sum() == 10 * NUM_USERS
    assert rows.loc[~is_rated, ["liked", "loved"]].isna().all(axis=None)
    assert rows.loc[is_rated, "liked"].notna().all()
    assert rows.loc[is_rated, "loved"].isna().sum() == 1
    assert not rows.duplicated(["user", "film"]).any()
    assert rows["first_genre"].unique().tolist() == ["Drama"]


def test_a_part_of_the_users_is_drawn(twins, folder):
    assert twins.load(folder, seed=0, num_users=5).rows["user"].nunique() == 5


def test_one_ranker_is_measured_on_the_three_tasks(twins, folder):
    small = {"embedding_dim": 2, "expert_dim": 4, "num_experts": 2, "head_dims": ()}
    settings = replace(twins.SETTINGS, **small, batch_size=64, epochs=1)
    values = twins.measure(twins.load(folder, seed=0), "mmoe", "fixed", settings, 0)
    for task in ("watched", "liked", "loved"):
        assert 0 <= values[f"{task}/test_auc"] <= 1
