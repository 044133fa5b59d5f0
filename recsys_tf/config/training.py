"""How the model is fitted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from recsys_tf.config.fields import BlockOptions, Positive, PositiveInt, Rate
from recsys_tf.spec import Spec


class TrainingConfig(Spec):
    """How the model is fitted.

    Attributes:
        batch_size: Rows a step.
        epochs: Passes over the training rows, at the most.
        learning_rate: Highest learning rate of Adam.
        table_optimizer: A name out of `recsys_tf.optimizers.TABLE_OPTIMIZERS`: what steps the
            tables of ids and categories, over the rows of each batch alone, so that a step costs
            the same however large they are. None steps them by the Adam of all other variables,
            which walks them as a whole and is as fast below some ten thousand rows. `adam` follows
            the schedule; the others lower their steps by themselves and keep their rate.
        table_learning_rate: Their rate; None takes `learning_rate` for `adam` and 0.1 for the
            others.
        schedule: `cosine` falls to 0 over all steps, `constant` stays.
        warmup_share: Share of the steps over which the rate rises from 0.
        weighting: A name out of `recsys_tf.weighting.WEIGHTINGS`: how the tasks' losses or
            gradients are joined, each multiplied by its task's `loss_weight`.
        weighting_options: Further arguments of the weighting by name, such as `{"c": 0.2}` of
            `cagrad`.
        weight_decay: Decoupled weight decay (AdamW) of the dense layers' kernels, by their name;
            never of tables.
        patience: Epochs without a better validation value before training ends; None never ends
            early.
        monitor: The validation value that `patience` and the kept weights follow. `val_loss` is
            the sum of the tasks' losses by their `loss_weight`, whatever the weighting.
        seed: Seed of the weights, the order of the rows and dropout.
        is_mixed_precision: Whether layers compute in bfloat16.
        steps_per_execution: Steps run in one call of the compiled graph.
        clip_norm: Largest norm of one step's gradients; None never clips.
        recency_half_life_days: Age after which a training row weighs half; None weighs all alike.
            What was popular last month says more of next month than last year's does. For
            interactions whose times are of a clock; sequences and tables refuse it.
        self_checks: Whether faults are looked for after the first epoch, for a few seconds, see
            `recsys_tf.self_checks`.
    """

    batch_size: PositiveInt = 1024
    epochs: PositiveInt = 20
    learning_rate: Positive = 1e-3
    table_optimizer: str | None = None
    table_learning_rate: Positive | None = None
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_share: Rate = 0.05
    weighting: str = "fixed"
    weighting_options: BlockOptions = {}
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    patience: PositiveInt | None = None
    monitor: str = "val_loss"
    seed: int = 42
    is_mixed_precision: bool = False
    steps_per_execution: PositiveInt = 8
    clip_norm: Positive | None = 10.0
    recency_half_life_days: Positive | None = None
    self_checks: bool = True

    @model_validator(mode="after")
    def _cross_check(self) -> TrainingConfig:
        if self.table_learning_rate is not None and self.table_optimizer is None:
            raise ValueError("table_learning_rate: has no meaning without `table_optimizer`")
        return self
