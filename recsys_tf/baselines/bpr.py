"""Matrix factorisation for the order of items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recsys_tf.baselines.baseline import Baseline
from recsys_tf.types import Array, FloatArray, IntArray

DRAWS = 20
"""How often a negative is drawn anew that the user has had; then the event is left out once."""


class BPR(Baseline):
    """Scores `s_ui = p_u . q_i + b_i`, fitted so that what the user had is above what it had not.

    Minimises `-sum ln sigmoid(s_ui - s_uj) + l2 (|p_u|^2 + |q_i|^2 + |q_j|^2 + b_i^2 + b_j^2) / 2`
    by stochastic gradient steps over events `(u, i)`, each with an item `j` drawn uniformly from
    those that the user had not. The steps of a batch start from the same factors and are summed.
    Only the presence of an entry counts. The defaults did best on a validation part of ML-100K.
    Choose `ImplicitALS` first: on MovieLens it is better and settles in fewer passes.

    Args:
        factors: Width of `p` and `q`.
        learning_rate: Length of an event's step; it falls to 0 over the passes, in a line.
        l2_regularization: The `l2` of the formula.
        num_iterations: Passes over the events.
        has_bias: Whether items have the bias `b_i`.
        batch_size: Events whose steps are taken at once. A row's steps in one batch add up: small
            beside the number of users.
        seed: Seed of the first factors and of the draws.
        popularity_half_life_days: See `Baseline`.

    Raises:
        ValueError: If a number is below its least value; from `fit` if the factors grow without
            bound.

    Source:
        Rendle, Freudenthaler, Gantner and Schmidt-Thieme (2009), BPR: Bayesian personalized
        ranking from implicit feedback, https://arxiv.org/abs/1205.2618, sections 4.1.2 and 4.3.1;
        batches and the falling learning rate differ.
    """

    def __init__(
        self,
        factors: int = 64,
        learning_rate: float = 0.1,
        l2_regularization: float = 0.02,
        num_iterations: int = 100,
        has_bias: bool = True,
        batch_size: int = 512,
        seed: int = 42,
        popularity_half_life_days: float | None = None,
    ) -> None:
        super().__init__(popularity_half_life_days)
        if factors < 1 or num_iterations < 1 or batch_size < 1:
            raise ValueError(
                "`factors`, `num_iterations` and `batch_size` must be at least 1, received "
                f"{factors}, {num_iterations} and {batch_size}."
            )
        if not learning_rate > 0 or not l2_regularization >= 0:
            raise ValueError(
                "`learning_rate` must be above 0 and `l2_regularization` at least 0, received "
                f"{learning_rate} and {l2_regularization}."
            )
        self.factors = factors
        self.learning_rate = learning_rate
        self.l2_regularization = l2_regularization
        self.num_iterations = num_iterations
        self.has_bias = has_bias
        self.batch_size = batch_size
        self.seed = seed

    def _fit(self, interactions: sparse.csr_matrix) -> None:
        rng = np.random.default_rng(self.seed)
        events = Events.of(interactions)
        users = rng.normal(0.0, 0.1, (self._num_users, self.factors + 1)).astype(np.float32)
        items = rng.normal(0.0, 0.1, (self._num_items, self.factors + 1)).astype(np.float32)
        # The last column is 1 for users, which stays, and the bias for items.
        users[:, -1], items[:, -1] = 1.0 if self.has_bias else 0.0, 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            for number in range(self.num_iterations):
                rate = self.learning_rate * (1.0 - number / self.num_iterations)
                chosen, negatives = events.draw(rng)
                for start in range(0, len(chosen), self.batch_size):
                    batch = chosen[start : start + self.batch_size]
                    drawn = negatives[start : start + self.batch_size]
                    self._step(users, items, events.users[batch], events.items[batch], drawn, rate)
        if not (np.isfinite(users).all() and np.isfinite(items).all()):
            raise ValueError(
                "`learning_rate` must not let the factors grow without bound, received "
                f"{self.learning_rate}; take a smaller one."
            )
        self._user_factors = users.astype(np.float64)
        self._item_factors = items.astype(np.float64)

    def _step(
        self,
        users: FloatArray,
        items: FloatArray,
        of_users: IntArray,
        positives: IntArray,
        negatives: IntArray,
        rate: float,
    ) -> None:
        """Moves the factors of a batch's users and items, in place."""
        p, q, other = users[of_users], items[positives], items[negatives]
        difference = q - other
        pull = 1.0 / (1.0 + np.exp(np.einsum("bd,bd->b", p, difference)))[:, None]
        # The users' column of 1 is no factor.
        of_user = pull * difference - self.l2_regularization * p
        of_user[:, -1] = 0.0
        of_items = np.concatenate([pull * p, -pull * p])
        of_items -= self.l2_regularization * np.concatenate([q, other])
        _add_rows(users, of_users, rate * of_user)
        _add_rows(items, np.concatenate([positives, negatives]), rate * of_items)

    def _scores(self, users: IntArray) -> Array:
        return self._user_factors[users] @ self._item_factors.T


@dataclass(frozen=True)
class Events:
    """Events of users that have not had everything, and items that these have not had.

    Attributes:
        users: int `[B]`.
        items: int `[B]`.
        keys: int64 `[B]`, ascending: user times `num_items` plus item.
        num_items: Size of the catalogue.
    """

    users: IntArray
    items: IntArray
    keys: IntArray
    num_items: int

    @classmethod
    def of(cls, interactions: sparse.csr_matrix) -> Events:
        """Lists the entries of a matrix `[U, N]` that is sorted by item."""
        counts = np.diff(interactions.indptr)
        users = np.repeat(np.arange(len(counts)), counts)
        is_kept = counts[users] < interactions.shape[1]
        users, items = users[is_kept], interactions.indices[is_kept].astype(np.int64)
        num_items = interactions.shape[1]
        return cls(users, items, users * num_items + items, num_items)

    def draw(self, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
        """Returns places of events in random order, and an item for each that its user had not."""
        order = rng.permutation(len(self.users))
        negatives = rng.integers(self.num_items, size=len(order))
        wrong = np.arange(len(order))
        for _ in range(DRAWS):
            wrong = wrong[self._is_event(self.users[order[wrong]], negatives[wrong])]
            if not len(wrong):
                break
            negatives[wrong] = rng.integers(self.num_items, size=len(wrong))
        is_good = np.ones(len(order), bool)
        is_good[wrong[self._is_event(self.users[order[wrong]], negatives[wrong])]] = False
        return order[is_good], negatives[is_good]

    def _is_event(self, users: IntArray, items: IntArray) -> Array:
        keys = users * self.num_items + items
        places = np.minimum(np.searchsorted(self.keys, keys), max(len(self.keys) - 1, 0))
        return self.keys[places] == keys if len(keys) else np.zeros(0, bool)


def _add_rows(table: FloatArray, rows: IntArray, steps: FloatArray) -> None:
    """Adds steps `[B, D]` to rows of a table; those of one row add up."""
    distinct, place = np.unique(rows, return_inverse=True)
    ones = np.ones(len(rows), steps.dtype)
    summed = sparse.csr_matrix((ones, (place, np.arange(len(rows)))), (len(distinct), len(rows)))
    table[distinct] += summed @ steps
