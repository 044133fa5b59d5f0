"""A fusion's weights, learned for a goal of the business."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recsys_tf.layers.shapes import check_positive
from recsys_tf.metrics import expected_ndcg
from recsys_tf.naming import look_up
from recsys_tf.score_fusion.fusion import ScoreFusion, check_scenarios_given
from recsys_tf.score_fusion.validation_lists import ValidationLists
from recsys_tf.types import FloatArray

# Spread of the steps, in the log of the weights, of the rounds after the first.
_SPREADS = (1.0, 0.5, 0.25, 0.1)
# Scores held at once, 16 MB in float32.
_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True, eq=False)
class FusionFit:
    """A fusion with the weights that were found, and the log of the search.

    Attributes:
        fusion: The fusion with the best weights; their absolute values sum to 1.
        trials: One row a trial: `round`, `weight_<task>`, `ndcg_<task>` of the goal and of each
            floor, and `is_feasible` (whether all floors are met).
        best_trial: The row of `trials` that `fusion` has.
    """

    fusion: ScoreFusion
    trials: pd.DataFrame
    best_trial: int


def fit_fusion(
    fusion: ScoreFusion,
    lists: ValidationLists,
    *,
    goal: str,
    k: int = 10,
    floors: Mapping[str, float] | None = None,
    num_trials: int = 400,
    seed: int = 42,
) -> FusionFit:
    """Finds the weights of the highest NDCG@K for one task's labels that keep others' above floors.

    Maximises `mean_u NDCG@K_goal(w)` subject to `mean_u NDCG@K_t(w) >= floor_t`, such as the
    order of purchases with a floor on clicks. NDCG has no gradient, so it is searched without:
    half of the trials are drawn evenly over all mixtures of the tasks (after each task alone, all
    alike, and the weights given), the others around the best so far, a coordinate at a time and
    all together, in ever smaller steps. A request counts for a task that it has a success of.
    Candidates of equal score have the mean gain of their places: the order in which the lists name
    the candidates, such as the success first, is worth nothing.

    Args:
        fusion: Says how tasks are joined and calibrated, which tasks have a weight, and each
            weight's sign, which is kept; not changed. Only the order is fitted: of a `Stacking`
            the probability is lost.
        lists: Requests of the validation split.
        goal: Task of `lists.labels` whose order is wanted.
        k: Cut-off `K`.
        floors: Least NDCG@K by other tasks of `lists.labels`.
        num_trials: Weights tried; some hundred for up to five tasks.
        seed: Seed of the draws: the same seed, the same trials.

    Returns:
        The fusion with the best weights and the table of all trials.

    Raises:
        ValueError: If a name is not known, a task has no success, a size is below 1, a floor is
            outside of `[0, 1]`, a calibration by scenario meets lists without scenarios, or no
            trial met the floors; the text says what was reached.

    Example:
        >>> from recsys_tf.score_fusion import WeightedSum
        >>> fusion = WeightedSum({"click": 1.0, "buy": 1.0}, ["click", "buy"])
        >>> lists = ValidationLists(
        ...     {"click": [[0.9, 0.1]], "buy": [[0.1, 0.2]]}, {"buy": [[0, 1]], "click": [[1, 0]]}
        ... )
        >>> fit = fit_fusion(fusion, lists, goal="buy", k=1, num_trials=20)
        >>> float(fit.trials["ndcg_buy"][fit.best_trial])
        1.0
    """
    floors = dict(floors or {})
    check_positive("num_trials", num_trials)
    _check_goal(lists, goal, floors)
    check_scenarios_given(fusion, lists.scenarios)
    search = _Search(fusion, lists, (goal, *floors), check_positive("k", k))
    trials = search.run(floors, num_trials, np.random.default_rng(seed))
    best = _best(trials, goal, floors)
    if not trials["is_feasible"][best]:
        raise ValueError(_unreached(trials, best, goal, floors, k))
    weights = {task: float(trials[f"weight_{task}"][best]) for task in fusion.weights}
    fitted = type(fusion).from_config({**fusion.get_config(), "weights": weights})
    return FusionFit(fitted, trials, best)


class _Search:
    """Tries weights: all terms are computed once, a trial is a product and a sort."""

    def __init__(
        self, fusion: ScoreFusion, lists: ValidationLists, measured: Sequence[str], k: int
    ) -> None:
        terms = fusion.terms(lists.predictions, lists.mask, lists.scenarios)
        self._terms = np.stack([np.asarray(terms[task]) for task in fusion.weights])
        self._lists, self._measured, self._k = lists, list(dict.fromkeys(measured)), k
        self._tasks = list(fusion.weights)
        weights = np.array(list(fusion.weights.values()))
        # A mixture is of terms of equal spread, whatever their units.
        of_candidates = self._terms[:, lists.mask]
        spreads = of_candidates.std(axis=1, dtype=np.float64)
        # Of equal terms the standard deviation is a rounding error, not always 0.
        least = 1e-6 * np.abs(of_candidates).max(axis=1, initial=0)
        self._units = np.where(weights < 0, -1, 1) / np.where(spreads > least, spreads, 1)
        self._given = weights / self._units

    def run(
        self, floors: Mapping[str, float], num_trials: int, rng: np.random.Generator
    ) -> pd.DataFrame:
        num = len(self._tasks)
        given = self._given if self._given.any() else np.ones(num)
        starts = np.concatenate([np.eye(num), np.ones([1, num]), given[np.newaxis]])
        drawn = rng.dirichlet(np.ones(num), max(num_trials // 2 - len(starts), 0))
        trials = self._tried(np.concatenate([starts, drawn])[:num_trials], floors, 0)
        for index, spread in enumerate(_SPREADS):
            # What is left, shared out among the rounds that are left.
            size = (num_trials - len(trials)) // (len(_SPREADS) - index)
            best = trials.loc[_best(trials, self._measured[0], floors)]
            centre = np.array([best[f"weight_{task}"] for task in self._tasks]) / self._units
            mixtures = _around(centre, spread, size, rng)
            tried = self._tried(mixtures, floors, index + 1)
            trials = pd.concat([trials, tried], ignore_index=True)
        return trials

    def _tried(
        self, mixtures: FloatArray, floors: Mapping[str, float], round_: int
    ) -> pd.DataFrame:
        weights = mixtures * self._units
        weights = weights / np.abs(weights).sum(axis=1, keepdims=True)
        size = max(_CELLS_AT_ONCE // max(self._terms[0].size, 1), 1)
        blocks = [
            self._ndcg(weights[start : start + size]) for start in range(0, len(weights), size)
        ]
        values = np.concatenate(blocks or [np.zeros([0, len(self._measured)])])
        trials = pd.DataFrame({"round": np.full(len(weights), round_)})
        for column, task in enumerate(self._tasks):
            trials[f"weight_{task}"] = weights[:, column]
        for column, task in enumerate(self._measured):
            trials[f"ndcg_{task}"] = values[:, column]
        is_feasible = [trials[f"ndcg_{task}"] >= floor for task, floor in floors.items()]
        trials["is_feasible"] = np.all(is_feasible, axis=0) if is_feasible else True
        return trials

    def _ndcg(self, weights: FloatArray) -> FloatArray:
        """Returns NDCG@K `[M, measured]` for weights `[M, T]`."""
        num_users, num = self._lists.mask.shape
        # Term by term, as the fusion adds them: a matrix product may round the sums of equal
        # candidates differently, and they would be no longer equal.
        totals = np.zeros((len(weights), num_users, num), np.float32)
        for column, terms in zip(weights.astype(np.float32).T, self._terms, strict=True):
            totals += column[:, np.newaxis, np.newaxis] * terms
        totals[:, ~self._lists.mask] = -np.inf
        values = []
        for task in self._measured:
            labels = np.tile(self._lists.labels[task], (len(weights), 1))
            by_user = expected_ndcg(totals.reshape(-1, num), labels, self._k)
            values.append(np.nanmean(by_user.reshape(len(weights), num_users), axis=1))
        return np.stack(values, axis=1)


def _around(centre: FloatArray, spread: float, size: int, rng: np.random.Generator) -> FloatArray:
    """Returns mixtures `[size, T]` near one: a coordinate up or down, then all at random."""
    num = len(centre)
    # A weight of 0 would stay 0 under any factor.
    centre = np.maximum(np.abs(centre), 1e-3 * np.abs(centre).max())
    steps = spread * np.concatenate([np.eye(num), -np.eye(num)])
    draws = rng.normal(scale=spread, size=(max(size - len(steps), 0), num))
    return centre * np.exp(np.concatenate([steps, draws])[:size])


def _best(trials: pd.DataFrame, goal: str, floors: Mapping[str, float]) -> int:
    """Returns the trial of the highest goal among those nearest to the floors, the first of equal.

    Where no trial meets the floors it is the nearest one, from which the search goes on.
    """
    shortfall = np.zeros(len(trials))
    for task, floor in floors.items():
        shortfall += np.maximum(floor - trials[f"ndcg_{task}"].to_numpy(), 0)
    return int(np.lexsort([-trials[f"ndcg_{goal}"].to_numpy(), shortfall])[0])


def _check_goal(lists: ValidationLists, goal: str, floors: Mapping[str, float]) -> None:
    look_up(lists.labels, goal, "goal")
    for task, floor in floors.items():
        look_up(lists.labels, task, "floors")
        if not 0 <= floor <= 1:
            raise ValueError(
                f"`floors` must be from 0 to 1, received {floor!r} for the task {task!r}."
            )
    for task in (goal, *floors):
        if not lists.num_relevant(task).any():
            raise ValueError(
                f"`labels` of {task!r} must hold at least one success among the candidates, "
                "received none."
            )


def _unreached(
    trials: pd.DataFrame, best: int, goal: str, floors: Mapping[str, float], k: int
) -> str:
    reached = ", ".join(
        f"{task!r} at most {trials[f'ndcg_{task}'].max():.4f} (floor {floor:g})"
        for task, floor in floors.items()
    )
    nearest = ", ".join(
        f"{task!r} {trials[f'ndcg_{task}'][best]:.4f}" for task in dict.fromkeys((*floors, goal))
    )
    return (
        f"`floors` were met together by none of {len(trials)} trials. Reached NDCG@{k}: {reached}; "
        f"nearest trial: {nearest}. Lower a floor, or give a task that serves it a weight."
    )
