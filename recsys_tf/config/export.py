"""What the SavedModel answers."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from recsys_tf.config.fields import PositiveInt
from recsys_tf.config.goal import AnswerGoal
from recsys_tf.spec import Spec


class ExportConfig(Spec):
    """What the SavedModel answers.

    Attributes:
        num_candidates: Items fetched by retrieval and ranked by the heads for each request.
        max_k: Longest list that a request may ask for.
        is_seen_excluded: Whether the items of a request's history are left out of its answer.
            False where what was met is wanted again: groceries, music. As
            `evaluation.is_seen_excluded`, or another list would be answered than is measured.
        score_weights: Factor of each task in the score that orders the answer; a task that is
            not named has 0. The empty mapping orders by retrieval alone.
        score_fusion: A name out of `recsys_tf.score_fusion.SCORE_FUSIONS`: how the tasks'
            predictions become that score.
        fusion_options: Further arguments of the fusion by name, such as `{"offset": 10}` of
            `rank_fusion`.
        goal: What the weights are learned for when the model is exported, on the validation rows;
            None takes `score_weights` as they are. Else these say which tasks have a weight, and
            each weight's sign; where they are empty, all tasks of an answer have a positive one.
            `stacking` learns its `fusion_options` as well.
        calibration: A name out of `recsys_tf.score_fusion.CALIBRATIONS` by task: what is fitted
            on the validation rows and applied to the task's prediction before the fusion.
        calibrate_by_scenario: Whether each scenario gets a curve of its own.
        min_calibration_rows: Labelled rows below which a scenario takes the curve of all.
        reranker: A name out of `recsys_tf.reranking.RERANKERS`, which gives `recommend` the input
            `diversity`; None orders by score alone and has no such input.
        list_order: `picked` answers in the order in which the reranker picked, so that a shorter
            list begins a longer one; `relevance` puts the picked items in the order of the score,
            which keeps more of the relevance at the same diversity.
        similarity_feature: The item's categorical feature (or id) by which the reranker tells what
            is alike, such as its genres: what the list's variety is seen by. None takes the model's
            own vectors, which are also alike where the same users like both.
        category_feature: The item's categorical feature (or id) that a request may cap, by the
            input `max_per_category`; None has no such input.
    """

    num_candidates: PositiveInt = 100
    max_k: PositiveInt = 100
    is_seen_excluded: bool = True
    score_weights: dict[str, float] = {}
    score_fusion: str = "weighted_sum"
    fusion_options: dict[str, bool | int | float | tuple[str, ...]] = {}
    goal: AnswerGoal | None = None
    calibration: dict[str, str] = {}
    calibrate_by_scenario: bool = False
    min_calibration_rows: PositiveInt = 200
    reranker: str | None = None
    list_order: Literal["picked", "relevance"] = "picked"
    similarity_feature: str | None = None
    category_feature: str | None = None

    @model_validator(mode="after")
    def _cross_check(self) -> ExportConfig:
        faults = []
        if self.calibrate_by_scenario and not self.calibration:
            faults.append("calibrate_by_scenario: has no meaning without `calibration`")
        if self.list_order != "picked" and self.reranker is None:
            faults.append("list_order: has no meaning without a `reranker`")
        faults += [
            f"{field}: has no meaning without a `reranker`"
            for field in ("similarity_feature", "category_feature")
            if getattr(self, field) is not None and self.reranker is None
        ]
        faults += self._goal_faults()
        if faults:
            raise ValueError("\n".join(faults))
        return self

    @property
    def fitted(self) -> tuple[str, ...]:
        """What is fitted to the validation rows when the model is exported."""
        parts = {"calibrations": self.calibration, "weights": self.goal}
        return tuple(name for name, is_asked in parts.items() if is_asked)

    def _goal_faults(self) -> list[str]:
        if self.goal is None:
            return []
        faults = []
        if self.score_fusion == "stacking":
            if self.goal.floors:
                faults.append(
                    "goal.floors: have no meaning for `stacking`, which learns one task's label of "
                    "rows and not of lists; take another `score_fusion`, or the floors back"
                )
            if self.fusion_options:
                faults.append(
                    "fusion_options: must be left out where `goal` has `stacking` learn them"
                )
        elif self.goal.k > self.max_k:
            faults.append(
                f"goal.k: must be at most `max_k`, {self.max_k}, the longest list that is "
                f"answered, received {self.goal.k}"
            )
        if len(self.score_weights) == 1:
            faults.append(
                "score_weights: must name two tasks or more where `goal` learns the weights, or "
                f"none for all, received {next(iter(self.score_weights))!r} alone"
            )
        return faults
