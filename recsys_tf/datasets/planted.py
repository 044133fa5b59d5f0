"""The preference model that generated data is drawn from, kept so that the best score is known."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recsys_tf.datasets.moments import DAYPARTS
from recsys_tf.types import Array, FloatArray

SCENARIOS = ("browse", "search", "mail")
DEVICES = ("phone", "television", "computer")
RATINGS = np.arange(1.0, 6.0)

SECONDS_A_DAY = 86_400
WEEKEND_SHARE = 2 / 7

# By scenario: how willingly people click, how much taste counts, how willingly they buy.
SCENARIO_CLICK = np.array([-2.2, -1.5, -2.9])
SCENARIO_TASTE = np.array([1.0, 1.5, 0.7])
SCENARIO_PURCHASE = np.array([-0.3, 0.6, 0.0])
# By device.
DEVICE_CLICK = np.array([0.2, 0.0, -0.2])
DEVICE_PURCHASE = np.array([-0.3, -0.2, 0.5])
WEEKEND_CLICK = 0.3
RATING_SPREAD = 0.35


@dataclass(frozen=True, eq=False)
class PlantedTruth:
    """The true probabilities of every label of every (user, item, context, scenario).

    With the taste `t(u, i, c) = x_u . y_i`, where `y_i` holds the item's genres, topic and
    residual factors:

        P(click) = sigmoid(a_u + a_scenario + a_device + a_weekend + s_scenario t
                           + z_daypart . y_i + 0.5 hype_i + 0.3 quality_i)
        P(like | click) = sigmoid(-0.8 + 1.2 t + 0.8 quality_i - 0.4 hype_i)
        P(purchase | click) = sigmoid(-2.2 + 0.8 t + 0.4 quality_i - 0.8 price_i + b_u
                                      + b_scenario + b_device)
        P(rating <= k | click) = sigmoid((k + 0.5 - 2.6 - 0.8 t - 0.6 quality_i + 0.3 hype_i)
                                         / 0.35), for k = 1 to 4

    `like` and `purchase` are 0 without a click, `rating` is missing then. A user meets an item at
    most once, with the probability `exposure[u, i]`, at a day drawn from those on which both are
    there.

    Attributes:
        users: Ids, in the order of the rows of the arrays below.
        items: Ids, in the order of the columns.
        user_factors: `[U, D]`, `x`.
        item_factors: `[N, D]`, `y`.
        daypart_factors: `[4, D]`, `z`.
        user_frame: Per user: `click`, `purchase` (biases), `start` (second of the first day), and
            the shares of scenarios, dayparts and devices under their own names.
        item_frame: Per item: `quality`, `hype`, `price` (standardised log), `start`.
        exposure: `[U, N]`.
        end: First second after the last day.
    """

    users: tuple[str, ...]
    items: tuple[str, ...]
    user_factors: FloatArray
    item_factors: FloatArray
    daypart_factors: FloatArray
    user_frame: pd.DataFrame
    item_frame: pd.DataFrame
    exposure: FloatArray
    end: int

    def probabilities(self, events: pd.DataFrame) -> dict[str, FloatArray]:
        """Returns the true probability of each binary label of each event.

        Args:
            events: Frame with `user_id`, `item_id`, `surface`, `device`, `daypart` and `weekday`;
                labels are not read.

        Returns:
            `click`, `like` and `purchase`, each `[n]`; the last two include the click.
        """
        user, item = self._positions(events)
        scenario = _position_in(SCENARIOS, events["surface"])
        device = _position_in(DEVICES, events["device"])
        taste = self._taste(user, item)
        quality, hype, price = (self._of_items(name)[item] for name in ("quality", "hype", "price"))
        daypart = self.daypart_factors[_position_in(DAYPARTS, events["daypart"])]
        click = sigmoid(
            self._of_users("click")[user]
            + SCENARIO_CLICK[scenario]
            + DEVICE_CLICK[device]
            + WEEKEND_CLICK * events["weekday"].isin(("saturday", "sunday")).to_numpy()
            + SCENARIO_TASTE[scenario] * taste
            + (daypart * self.item_factors[item]).sum(axis=1)
            + 0.5 * hype
            + 0.3 * quality
        )
        like = sigmoid(-0.8 + 1.2 * taste + 0.8 * quality - 0.4 * hype)
        purchase = sigmoid(
            -2.2
            + 0.8 * taste
            + 0.4 * quality
            - 0.8 * price
            + self._of_users("purchase")[user]
            + SCENARIO_PURCHASE[scenario]
            + DEVICE_PURCHASE[device]
        )
        return {"click": click, "like": click * like, "purchase": click * purchase}

    def rating_probabilities(self, events: pd.DataFrame) -> FloatArray:
        """Returns the probability of 1 to 5 stars of each event if it is clicked, `[n, 5]`."""
        user, item = self._positions(events)
        centre = (
            2.6
            + 0.8 * self._taste(user, item)
            + 0.6 * self._of_items("quality")[item]
            - 0.3 * self._of_items("hype")[item]
        )
        below = sigmoid((RATINGS[:-1] + 0.5 - centre[:, None]) / RATING_SPREAD)
        ones = np.ones((len(centre), 1))
        return np.diff(np.concatenate([0 * ones, below, ones], axis=1), axis=1)

    def expected_rating(self, events: pd.DataFrame) -> FloatArray:
        """Returns the mean rating of each event if it is clicked, `[n]`: the best forecast."""
        return self.rating_probabilities(events) @ RATINGS

    def ranking_scores(self, user_ids: Sequence[str], since: int | None = None) -> FloatArray:
        """Returns the chance that a user will click each item: the best order of the catalogue.

        The chance is that of being shown the item at or after `since`, times that of a click in
        the contexts in which this user comes.

        Args:
            user_ids: The users.
            since: First second of the time asked for; None for all the time.

        Returns:
            float64 `[B, N]`, items in the order of `items`.
        """
        user = pd.Index(self.users).get_indexer(pd.Index(user_ids))
        start = np.maximum(self._of_users("start")[user][:, None], self._of_items("start")[None, :])
        left = self.end - (start if since is None else np.maximum(start, since))
        shown = self.exposure[user] * np.clip(left, 0, None) / (self.end - start)
        return shown * self._mean_click(user)

    def _mean_click(self, user: Array) -> FloatArray:
        taste = self.user_factors[user] @ self.item_factors.T
        attraction = 0.5 * self._of_items("hype") + 0.3 * self._of_items("quality")
        moods = self.daypart_factors @ self.item_factors.T + attraction
        bias, total = self._of_users("click")[user], np.zeros_like(taste)
        shares = {name: self._of_users(name)[user] for name in (*SCENARIOS, *DAYPARTS, *DEVICES)}
        weekends = ((0.0, 1 - WEEKEND_SHARE), (WEEKEND_CLICK, WEEKEND_SHARE))
        contexts = itertools.product(
            enumerate(SCENARIOS), enumerate(DAYPARTS), enumerate(DEVICES), weekends
        )
        for (s, scenario), (m, daypart), (d, device), (weekend, weekend_share) in contexts:
            fixed = SCENARIO_CLICK[s] + DEVICE_CLICK[d] + weekend
            weight = shares[scenario] * shares[daypart] * shares[device] * weekend_share
            logits = (bias + fixed)[:, None] + SCENARIO_TASTE[s] * taste + moods[m]
            total += weight[:, None] * sigmoid(logits)
        return total

    def _positions(self, events: pd.DataFrame) -> tuple[Array, Array]:
        return _position_in(self.users, events["user_id"]), _position_in(
            self.items, events["item_id"]
        )

    def _taste(self, user: Array, item: Array) -> FloatArray:
        return np.einsum("nd,nd->n", self.user_factors[user], self.item_factors[item])

    def _of_users(self, name: str) -> FloatArray:
        return self.user_frame[name].to_numpy()

    def _of_items(self, name: str) -> FloatArray:
        return self.item_frame[name].to_numpy()


def sigmoid(x: FloatArray) -> FloatArray:
    """Returns `1 / (1 + exp(-x))`."""
    return 1.0 / (1.0 + np.exp(-x))


def _position_in(values: Sequence[str], column: pd.Series) -> Array:
    positions = pd.Index(values).get_indexer(pd.Index(column))
    if (positions < 0).any():
        unknown = column.iloc[int(np.argmax(positions < 0))]
        raise ValueError(f"`{column.name}` holds {unknown!r}, which was never generated.")
    return positions
