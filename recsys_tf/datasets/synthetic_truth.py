"""Draws the users of the generated data and the model that their behaviour follows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recsys_tf.datasets.moments import DAYPARTS
from recsys_tf.datasets.planted import DEVICES, SCENARIOS, SECONDS_A_DAY, PlantedTruth
from recsys_tf.datasets.synthetic_catalogue import GENRES, TOPICS, Catalogue
from recsys_tf.types import Array, FloatArray

GENDERS = ("F", "M")
OCCUPATIONS = ("artist", "engineer", "farmer", "nurse", "retired", "student", "teacher", "trader")

# 2024-01-01, 00:00 UTC, a Monday.
FIRST_SECOND = 1_704_067_200
NUM_RESIDUAL_FACTORS = 4
NEW_USER_SHARE, NEW_ITEM_SHARE = 1 / 6, 1 / 10
# New users and items come between these shares of the time.
LATE_FROM, LATE_TO = 0.7, 0.95
# How much shown items follow their popularity and the user's taste.
EXPOSURE_POPULARITY, EXPOSURE_TASTE = 0.8, 0.7
MAX_SHOWN_SHARE = 0.8


def make_users(rng: np.random.Generator, num_users: int) -> pd.DataFrame:
    """Draws users with age, gender and occupation.

    Args:
        rng: Source of all randomness.
        num_users: Number of users.

    Returns:
        Frame with `user_id` (`u00000` and so on), `age` (16 to 79), `gender`, `occupation`.
    """
    ages = np.floor(16 + 64 * rng.random(num_users) ** 1.5)
    occupations = rng.integers(0, len(OCCUPATIONS), num_users)
    occupations = np.where(ages >= 66, OCCUPATIONS.index("retired"), occupations)
    return pd.DataFrame(
        {
            "user_id": np.array([f"u{row:05d}" for row in range(num_users)], dtype=object),
            "age": ages,
            "gender": np.array(GENDERS, dtype=object)[rng.integers(0, len(GENDERS), num_users)],
            "occupation": np.array(OCCUPATIONS, dtype=object)[occupations],
        }
    )


def make_truth(
    rng: np.random.Generator,
    users: pd.DataFrame,
    catalogue: Catalogue,
    num_events: int,
    num_days: int,
) -> PlantedTruth:
    """Draws the planted model.

    Args:
        rng: Source of all randomness.
        users: From `make_users`.
        catalogue: From `make_catalogue`.
        num_events: Expected number of events.
        num_days: Days over which they happen.

    Returns:
        The truth.
    """
    num_users, num_items = len(users), len(catalogue.frame)
    user_factors = _user_factors(rng, users)
    item_factors = np.concatenate(
        [
            # A film of three genres is a third of each; the root keeps its taste as strong.
            catalogue.genre_shares * np.sqrt((catalogue.genre_shares > 0).sum(1, keepdims=True)),
            np.eye(len(TOPICS))[catalogue.topics],
            rng.standard_normal((num_items, NUM_RESIDUAL_FACTORS)) / np.sqrt(NUM_RESIDUAL_FACTORS),
        ],
        axis=1,
    )
    daypart_factors = np.zeros((len(DAYPARTS), item_factors.shape[1]))
    daypart_factors[:, : len(GENRES)] = 0.5 * rng.standard_normal((len(DAYPARTS), len(GENRES)))
    price = np.log(catalogue.frame["price"].to_numpy())
    item_frame = pd.DataFrame(
        {
            "quality": catalogue.quality,
            "hype": catalogue.hype,
            "price": (price - 1.5) / 0.5,
            "start": _starts(rng, num_items, NEW_ITEM_SHARE, num_days),
        }
    )
    user_frame = _user_frame(rng, users).assign(
        start=_starts(rng, num_users, NEW_USER_SHARE, num_days)
    )
    popularity = 0.5 * catalogue.quality + 0.5 * catalogue.hype + rng.standard_normal(num_items)
    activity = num_events / num_users * _softmaxed(0.8 * rng.standard_normal(num_users)) * num_users
    logits = EXPOSURE_POPULARITY * popularity + EXPOSURE_TASTE * (user_factors @ item_factors.T)
    return PlantedTruth(
        tuple(users["user_id"]), tuple(catalogue.frame["item_id"]), user_factors, item_factors,
        daypart_factors, user_frame, item_frame, _exposure(logits, activity),
        FIRST_SECOND + num_days * SECONDS_A_DAY,
    )  # fmt: skip


def _user_factors(rng: np.random.Generator, users: pd.DataFrame) -> FloatArray:
    """Half of a taste for genres and topics comes from the features, half is personal."""
    num_known = len(GENRES) + len(TOPICS)
    age = (users["age"].to_numpy()[:, None] - 40.0) / 18.0
    gender = pd.Index(GENDERS).get_indexer(pd.Index(users["gender"]))
    occupation = pd.Index(OCCUPATIONS).get_indexer(pd.Index(users["occupation"]))
    explained = (
        age * rng.standard_normal(num_known)
        + rng.standard_normal((len(GENDERS), num_known))[gender]
        + rng.standard_normal((len(OCCUPATIONS), num_known))[occupation]
    ) / np.sqrt(3)
    personal = rng.standard_normal((len(users), num_known))
    residual = rng.standard_normal((len(users), NUM_RESIDUAL_FACTORS))
    return np.concatenate([0.55 * explained + 0.55 * personal, 0.7 * residual], axis=1)


def _user_frame(rng: np.random.Generator, users: pd.DataFrame) -> pd.DataFrame:
    """Draws the biases and in which contexts a user comes: the young by night and by phone."""
    n = len(users)
    youth = (40.0 - users["age"].to_numpy()[:, None]) / 18.0
    leanings = {
        SCENARIOS: (np.array([1.2, 0.3, -0.2]), np.array([0.2, 0.1, -0.3])),
        DAYPARTS: (np.array([-1.0, 0.2, 0.5, 1.0]), np.array([0.6, -0.5, -0.3, 0.3])),
        DEVICES: (np.array([0.5, 0.5, 0.0]), np.array([0.7, -0.6, 0.0])),
    }
    columns = {
        "click": 0.5 * rng.standard_normal(n),
        "purchase": 0.7 * rng.standard_normal(n),
    }
    for names, (mean, slope) in leanings.items():
        shares = _softmaxed(mean + slope * youth + 0.5 * rng.standard_normal((n, len(names))))
        columns.update(dict(zip(names, shares.T, strict=True)))
    return pd.DataFrame(columns)


def _softmaxed(logits: FloatArray) -> FloatArray:
    exponentials = np.exp(logits)
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def _starts(rng: np.random.Generator, n: int, new_share: float, num_days: int) -> Array:
    is_new = rng.random(n) < new_share
    late = LATE_FROM + (LATE_TO - LATE_FROM) * rng.random(n)
    days = np.where(is_new, np.floor(late * num_days), 0).astype(np.int64)
    return FIRST_SECOND + days * SECONDS_A_DAY


def _exposure(logits: FloatArray, activity: FloatArray) -> FloatArray:
    """Returns `1 - exp(-rate_u exp(logits))` with rates such that each row sums to `activity`.

    No user is shown more than four fifths of the items, however active.
    """
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    wanted = np.minimum(activity, MAX_SHOWN_SHARE * logits.shape[1])
    low, high = np.full(len(weights), -20.0), np.full(len(weights), 20.0)
    # Bisection of the logarithm of the rate: 40 halvings of 40 end far below a rounding error.
    for _ in range(40):
        middle = (low + high) / 2
        sums = -np.expm1(-np.exp(middle)[:, None] * weights).sum(axis=1)
        low, high = np.where(sums < wanted, middle, low), np.where(sums < wanted, high, middle)
    return -np.expm1(-np.exp(low)[:, None] * weights)
