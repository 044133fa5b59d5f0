"""From one vector a row to each task's logits: scenario block, multi-task block, heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import ops

from recsys_tf.config import ModelConfig
from recsys_tf.crosses import make_cross
from recsys_tf.heads import TaskHeads
from recsys_tf.layers import CrossLayer, DenseStack
from recsys_tf.models.chains import imputed_errors
from recsys_tf.multiscenario import SCENARIO_BLOCKS, make_scenario_block
from recsys_tf.multitask import MULTITASK_BLOCKS, make_multitask_block
from recsys_tf.naming import known_arguments, look_up


def join_fields(fields: Any) -> Any:
    """Lays the features' vectors side by side: of symbolic float `[B, F, D]`, `[B, F D]`."""
    _, num_fields, width = fields.shape
    return ops.reshape(fields, (-1, num_fields * width))


def part_rows(fields: Any, num_tasks: int, config: ModelConfig) -> Any:
    """Makes a row of each part of the embeddings, where the multi-task block reads parts.

    Crosses, dense layers and the scenario block then read one part at a time, with weights that the
    parts share: no part is mixed with another before the multi-task block, and what that keeps of a
    task's gradient from a part, it keeps from the part's embeddings.

    Args:
        fields: Symbolic float `[B, F, D]`.
        num_tasks: Number of tasks `T`.
        config: Names the blocks.

    Returns:
        Symbolic float `[B (T + 1), F, D / (T + 1)]`, the parts of a row one after the other: the
        shared one, then the tasks'. `fields` itself where the multi-task block reads no parts.

    Raises:
        ValueError: If something would mix the parts, or they would be of unequal widths.
    """
    _, num_fields, width = fields.shape
    if not reads_parts(config):
        return fields
    block = SCENARIO_BLOCKS.get(str(config.multiscenario))
    rules = {
        "`target_attention` must be None": (config.target_attention, config.target_attention),
        "`bilinear` must be None": (config.bilinear, config.bilinear),
        "`scenario_prior` must be empty": (config.scenario_prior, config.scenario_prior),
        "`multiscenario` must be another, without statistics over a batch": (
            block is not None and block.reads_batch,
            config.multiscenario,
        ),
        f"`embedding_dim` must be a multiple of {num_tasks + 1}": (
            width % (num_tasks + 1),
            width,
        ),
    }
    faults = [f"{rule}, received {got!r}" for rule, (is_broken, got) in rules.items() if is_broken]
    if faults:
        raise ValueError(
            f"`multitask` {config.multitask!r} reads embeddings of each task's own, which nothing "
            f"may mix before it: {'; '.join(faults)}."
        )
    part_dim = width // (num_tasks + 1)
    parts = ops.reshape(fields, (-1, num_fields, num_tasks + 1, part_dim))
    return ops.reshape(ops.transpose(parts, (0, 2, 1, 3)), (-1, num_fields, part_dim))


def reads_parts(config: ModelConfig) -> bool:
    """Returns whether the multi-task block reads a part of each embedding for each task."""
    return look_up(MULTITASK_BLOCKS, config.multitask, "multitask").reads_parts


def join_cross(first: Any, fields: Any, config: ModelConfig) -> Any:
    """Joins what the features' vectors say together to what each says alone.

    Args:
        first: Symbolic float `[B, D0]`.
        fields: Symbolic float `[B, F, D]`, the features' vectors.
        config: Names the block; `cross` must not be None.

    Returns:
        Symbolic float `[B, D1]`: `first` and the output of the block `cross`.

    Raises:
        ValueError: If the configuration names an unknown block.
    """
    options: dict[str, Any] = {"dropout": config.dropout, **config.cross_options}
    block = make_cross(str(config.cross), config.cross_dims, **options, name="cross")
    return ops.concatenate([first, block(fields)], axis=-1)


def cross_layers(first: Any, config: ModelConfig) -> Any:
    """Applies `num_cross_layers` cross layers of DCNv2 to a symbolic float `[B, D]`."""
    crossed = first
    for index in range(config.num_cross_layers):
        crossed = CrossLayer(name=f"cross_{index}")(first, crossed)
    return crossed


def judge(
    inputs: Any,
    scenario: Any | None,
    num_scenarios: int | None,
    num_outputs: Mapping[str, int | None],
    config: ModelConfig,
    initial_biases: Mapping[str, float],
    parents: Mapping[str, str],
    prior: Any | None = None,
) -> dict[str, Any]:
    """Applies dense layers, the scenario block, the multi-task block and the heads.

    Args:
        inputs: Symbolic float `[B, D]`; `[B (T + 1), D]` where the multi-task block reads parts,
            see `part_rows`.
        scenario: Symbolic int `[B]`, the index of each row's scenario, or None.
        num_scenarios: Rows of the scenario's table, or None.
        num_outputs: Logits of each task: None for one number, else the classes.
        config: Sizes and blocks.
        initial_biases: Where the heads start, by task.
        parents: By task that comes after another, that other.
        prior: Symbolic float `[B, P]`, the vectors of `scenario_prior`, or None.

    Returns:
        Symbolic logits by task, `[B]` or `[B, C]`, as the heads give them; what the imputation
        heads give, where the chain has them.

    Raises:
        ValueError: If the configuration names an unknown block, or a scenario block without a
            scenario.
    """
    num_parts = len(num_outputs) + 1 if reads_parts(config) else 1
    shared = DenseStack(config.trunk_dims, dropout=config.dropout, name="trunk_layers")(inputs)
    towers = None
    if config.multiscenario is not None:
        if scenario is None or num_scenarios is None:
            raise ValueError(
                f"`multiscenario` {config.multiscenario!r} needs to know the scenario of a row: "
                "name the schema's `scenario.feature`, or set `multiscenario` to None."
            )
        options: dict[str, Any] = {"dropout": config.dropout, **config.multiscenario_options}
        block = make_scenario_block(
            config.multiscenario,
            num_scenarios,
            config.scenario_dim,
            **options,
            name="multiscenario",
        )
        of_rows = ops.repeat(scenario, num_parts, axis=0) if num_parts > 1 else scenario
        shared = block(shared, of_rows)
        if config.scenario_by_task and block.task_towers is not None:
            towers = block.task_towers(
                list(num_outputs),
                num_scenarios,
                config.head_dims,
                **known_arguments(block.task_towers, options),
                name="task_towers",
            )
    if num_parts > 1:
        shared = ops.reshape(shared, (-1, num_parts * shared.shape[-1]))
    of_tasks = make_multitask_block(list(num_outputs), config, name="multitask")(shared)
    hidden, hidden_dims = of_tasks, config.head_dims
    if towers is not None:
        hidden = towers(of_tasks, shared, scenario, prior)
        hidden_dims = ()  # Those of the towers.
    heads = TaskHeads(
        num_outputs,
        hidden_dims,
        dropout=config.dropout,
        initial_biases={k: v for k, v in initial_biases.items() if k in num_outputs},
        name="heads",
    )
    return {**heads(hidden), **imputed_errors(of_tasks, parents, config)}
