"""Sizes and blocks of the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, model_validator

from recsys_tf.config.bilinear import BilinearConfig
from recsys_tf.config.fields import BlockOptions, PositiveInt, Rate, Share
from recsys_tf.config.text import TextConfig
from recsys_tf.spec import Spec

_BESIDE_BILINEAR = (
    *("target_attention", "num_cross_layers", "cross", "cross_dims", "trunk_dims"),
    *("multiscenario", "scenario_dim", "multitask", "num_experts", "num_task_experts"),
    *("num_levels", "expert_rank", "expert_dim", "multitask_options", "chain"),
)
"""What a bilinear model alone has no use for."""


class ModelConfig(Spec):
    """Sizes and blocks of the model; block names are keys of the packages' tables.

    Attributes:
        embedding_dim: Width `D` of each feature's embedding.
        output_dim: Width of the two towers' outputs, whose dot product ranks the catalogue.
        tower_dims: Widths of the hidden layers of each tower; empty for none.
        fusion: How a tower joins its features: `concat` or `gated`.
        fusion_options: Further arguments of that block by name; those of this package have none.
            Here and in the other options, an own `dropout` goes before the model's.
        history_encoder: A name out of `recsys_tf.encoders.HISTORY_ENCODERS`.
        history_encoder_options: Further arguments of that block (of the pooling, where it is one)
            by name, such as `{"length_power": 0.5}`.
        history_features: Names of features of the item that are read of each event of the history
            besides its id, by the encoder and by the target attention: as fixed numbers, see
            `ItemContent`. Ready-made embeddings, categories, numbers, and texts, which the
            pretrained encoder of `text.preset` reads once.
        target_attention: A name out of `recsys_tf.target_attention.TARGET_ATTENTIONS`, which reads
            the history once more for the very item that is judged, and whose output joins the
            trunk's input; None for none. Retrieval does not read it. Judging `K` items of a user
            then takes `4 K L D` bytes and several times that for a moment.
        target_attention_options: Further arguments of that block by name, such as
            `{"is_normalized": True}`.
        num_cross_layers: DCNv2 cross layers of the shared trunk.
        cross: A name out of `recsys_tf.crosses.CROSSES`: a block over all features' vectors whose
            output joins the trunk's input; None for none.
        cross_dims: Widths of that block's dense layers.
        cross_options: Further arguments of that block by name, such as `{"num_layers": 3}`.
        bilinear: What a query's and a candidate's feature say together, through a matrix, in each
            ranking task of one number; None for nothing.
        trunk_dims: Widths of the trunk's dense layers after the crosses.
        multiscenario: A name out of `recsys_tf.multiscenario.SCENARIO_BLOCKS`, between the trunk
            and the multi-task block; None shares all weights between the scenarios.
        scenario_dim: Width of the scenario block's output.
        multiscenario_options: Further arguments of the scenario block by name, such as
            `{"num_experts": 2}`.
        scenario_by_task: Whether what differs between scenarios may differ by task too: that block
            then works in the heads' hidden layers as well (`pepnet`: PPNet's gates; `m2m`: its meta
            towers, which need each of `head_dims` to be `expert_dim`).
        scenario_prior: Names of features that tell who and what, such as the ids of user and item,
            whose vectors those layers read besides the scenario (`pepnet`).
        multitask: A name out of `recsys_tf.multitask.MULTITASK_BLOCKS`.
        num_experts: Experts of a mixture; those that all tasks share, where a block has others.
        num_task_experts: Experts of each task's own (`cgc`, `ple`, `stem`).
        num_levels: Levels of experts one after the other (`ple`).
        expert_rank: Rank of each expert's correction (`low_rank_experts`).
        expert_dim: Width of each expert, tower or stack, and of each task's vector.
        multitask_options: Further arguments of the multi-task block by name, such as
            `{"num_layers": 2}`.
        head_dims: Hidden widths of each task's head; with `bilinear.is_alone`, as `dropout`, of
            auxiliary tasks', without which both are left out.
        chain: A name out of `recsys_tf.models.chains.CHAINS`: what a head of a task that comes
            `after` another predicts. `none`: the task itself.
            The others: its probability given the other's success, so that the task's is the
            product of the two (`esmm`); with the loss of that head alone besides, weighed by
            inverse propensities (`escm2_ips`) or doubly robust (`escm2_dr`).
        counterfactual_weight: Factor of that loss beside the loss of the task.
        propensity_floor: Lowest propensity that is divided by, so that no row weighs more than its
            inverse; rows whose propensity is below it count less than they should.
        calibrator_weight: Factor of how much likelier a task is than the one it comes `after`
            (AITM's calibrator), where the chain is `none`.
        dropout: Dropped share of the trunk's and heads' hidden units.
        tower_dropout: Dropped share of the towers' units.
        history_dropout: Mean dropped share of the history's events while training.
        empty_history_share: Share of the training rows whose whole history is dropped, so that
            the model learns to answer for users without one.
        user_dropout: Share of the user ids that training rows hide as unknown, so that the model
            learns to answer for new users; near 1 where histories say all. None hides half of
            them in a `Recommender`, and as many as of the items' in a `Ranker`.
        item_dropout: The same for item ids and new items.
        scenario_dropout: The same for the schema's scenario, in its feature's vector and in the
            scenario block alike. Above 0, some hundredths say, where scenarios will be met that
            training has not: without it, what answers for them is trained with the others' own
            parts alone.
        id_tables: By the name of an id or categorical feature with too many values for a row
            each, what stands for its table: a name out of `recsys_tf.encoders.ID_TABLES`. An item's
            history reads it too, but for `bag`, which has a table of its own. The biases of users
            and items stay a number each. `SequenceConfig` has no such field: every step scores the
            whole table of the items, which is to be made row by row for that.
        id_table_options: Further arguments of these blocks, by the feature and by name, such as
            `{"user_id": {"num_buckets": 1_000_000}}`.
        frequency_gates: By the name of an id or categorical feature, the sights in training below
            which a value counts as unknown (`FrequencyGate`), where rows stream in; where they are
            all there, `min_count` of an id counts them before. Not for what an item has where
            `retrieval.loss` is over the whole catalogue, which would count items of no row.
        l2_regularization: Factor of the embeddings' squared norm in the loss. It reads and steps
            every row of every table, so that it excludes `training.table_optimizer`. Rows of
            `id_tables` are no vectors, so that it excludes them, too.
        text: The text encoder.
    """

    embedding_dim: PositiveInt = 64
    output_dim: PositiveInt = 64
    tower_dims: tuple[PositiveInt, ...] = ()
    fusion: str = "concat"
    fusion_options: BlockOptions = {}
    history_encoder: str = "attention"
    history_encoder_options: BlockOptions = {}
    history_features: tuple[str, ...] = ()
    target_attention: str | None = None
    target_attention_options: BlockOptions = {}
    num_cross_layers: Annotated[int, Field(ge=0)] = 1
    cross: str | None = None
    cross_dims: tuple[PositiveInt, ...] = (64,)
    cross_options: BlockOptions = {}
    bilinear: BilinearConfig | None = None
    trunk_dims: tuple[PositiveInt, ...] = (64,)
    multiscenario: str | None = None
    scenario_dim: PositiveInt = 64
    multiscenario_options: BlockOptions = {}
    scenario_by_task: bool = False
    scenario_prior: tuple[str, ...] = ()
    multitask: str = "mmoe"
    num_experts: PositiveInt = 4
    num_task_experts: PositiveInt = 1
    num_levels: PositiveInt = 2
    expert_rank: PositiveInt = 8
    expert_dim: PositiveInt = 64
    multitask_options: BlockOptions = {}
    head_dims: tuple[PositiveInt, ...] = (32,)
    chain: str = "none"
    counterfactual_weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.1
    propensity_floor: Share = 0.05
    calibrator_weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    dropout: Rate = 0.2
    tower_dropout: Rate = 0.3
    history_dropout: Rate = 0.2
    empty_history_share: Rate = 0.0
    user_dropout: Rate | None = None
    item_dropout: Rate = 0.02
    scenario_dropout: Rate = 0.0
    id_tables: dict[str, str] = {}
    id_table_options: dict[str, BlockOptions] = {}
    frequency_gates: dict[str, PositiveInt] = {}
    l2_regularization: Annotated[float, Field(ge=0)] = 0.0
    text: TextConfig = TextConfig()

    @model_validator(mode="after")
    def _cross_check(self) -> ModelConfig:
        faults = [
            f"{block}_options: has no meaning without `{block}`"
            for block in ("target_attention", "cross", "multiscenario")
            if getattr(self, f"{block}_options") and getattr(self, block) is None
        ]
        faults += [*self._scenario_faults(), *self._bilinear_faults()]
        faults += [
            f"id_table_options.{feature}: has no meaning without `id_tables.{feature}`"
            for feature in self.id_table_options
            if feature not in self.id_tables
        ]
        if self.id_tables and self.l2_regularization:
            faults.append(
                "l2_regularization: must be 0 with `id_tables`, whose rows are of many ids and no "
                f"one's vector, received {self.l2_regularization}"
            )
        if self.calibrator_weight and self.chain != "none":
            faults.append(
                f"calibrator_weight: must be 0 with the chain {self.chain!r}, under which no task "
                f"is likelier than the one it comes after, received {self.calibrator_weight}"
            )
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _scenario_faults(self) -> Iterator[str]:
        if self.scenario_by_task and self.multiscenario is None:
            yield "scenario_by_task: has no meaning without `multiscenario`"
        if self.scenario_by_task and not self.head_dims:
            yield (
                "head_dims: must hold a width with `scenario_by_task`, which works in the heads' "
                f"hidden layers, received {self.head_dims}"
            )
        if self.scenario_prior and not self.scenario_by_task:
            yield "scenario_prior: has no meaning without `scenario_by_task`"

    def _bilinear_faults(self) -> Iterator[str]:
        if self.bilinear is None:
            return
        rank = self.bilinear.rank
        if rank is not None and rank > self.embedding_dim:
            yield (
                f"bilinear.rank: must be at most embedding_dim ({self.embedding_dim}), "
                f"received {rank}"
            )
        changed = self.changed(_BESIDE_BILINEAR) if self.bilinear.is_alone else {}
        for name, value in changed.items():
            if value:  # Nothing in the place of a block is what there is.
                yield (
                    f"{name}: must be left out with `bilinear.is_alone`, whose product is the "
                    f"whole logit, without trunk, block, head or chain, received {value!r}"
                )
