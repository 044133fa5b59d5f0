"""What a weighting of gradients costs: backward passes a step.

    python benchmarks/gradient_cost.py
    python benchmarks/gradient_cost.py --batch-size 8192 --methods pcgrad nash_mtl

One ranker with MMoE on generated rows takes steps under each weighting, all in turn in one process.
A step's passes are

    1 + (step under the weighting - step under fixed weights) / backward pass,

where the backward pass is what the gradients of the summed loss add to the forward pass and losses.
The bound is one pass a task and half a pass for the weighting itself.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from reporting import Row, add_results_option, report
from step_timing import seconds_in_turn

from recsys_tf import (
    CategoricalFeature,
    ModelConfig,
    RunConfig,
    TableSchema,
    TaskSpec,
    TrainingConfig,
)
from recsys_tf.datasets import LabelledTable, split_table
from recsys_tf.preparation import PreparedTable
from recsys_tf.types import FloatArray
from recsys_tf.weighting import WEIGHTINGS, GradientWeighting

METHODS = sorted(name for name, each in WEIGHTINGS.items() if issubclass(each, GradientWeighting))
NUM_FEATURES, NUM_VALUES, SEED = 20, 200, 42
FIXED = "fixed"


def prepared(num_tasks: int, batch_size: int) -> PreparedTable:
    """Generates a batch of rows of random categories and labels."""
    rng = np.random.default_rng(SEED)
    names = [f"feature_{place}" for place in range(NUM_FEATURES)]
    tasks = [f"task_{place}" for place in range(num_tasks)]
    num_rows = 2 * batch_size
    rows = pd.DataFrame({n: rng.integers(NUM_VALUES, size=num_rows).astype(str) for n in names})
    for name in tasks:
        rows[name] = rng.integers(2, size=num_rows).astype(np.float32)
    schema = TableSchema(
        features=tuple(CategoricalFeature(name=name, side="item") for name in names),
        tasks=tuple(TaskSpec(name=name, kind="binary", label=name) for name in tasks),
    )
    config = RunConfig(
        model=ModelConfig(
            embedding_dim=16,
            trunk_dims=(256,),
            multitask="mmoe",
            num_experts=4,
            expert_dim=128,
            head_dims=(64,),
        ),
        training=TrainingConfig(batch_size=batch_size, seed=SEED),
    )
    parts = split_table(num_rows, 0.1, 0.1, SEED)
    return PreparedTable(config, LabelledTable(schema, rows), *parts)


def make_calls(data: PreparedTable, weighting: str) -> dict[str, Callable[[], Any]]:
    """Makes a model under a weighting and what is timed of it.

    Args:
        data: The rows.
        weighting: A name of `WEIGHTINGS`.

    Returns:
        `step`; under fixed weights `forward` and `backward` too, the latter with the former.
    """
    import tensorflow as tf

    from recsys_tf.training import build_ranker
    from recsys_tf.training.optimizer import make_optimizer

    model = build_ranker(data)
    model.compile(make_optimizer(data.config.training, 1000), weighting, jit_compile=False)
    batch = next(iter(data.dataset("train")))
    model.optimizer.build(model.trainable_variables)
    step = tf.function(lambda *given: model.train_step(given), autograph=False)
    calls = {"step": lambda: step(*batch)}
    if weighting == FIXED:

        @tf.function(autograph=False)
        def loss_of(features: Any, labels: Any, weights: Any) -> Any:
            outputs = model(features, training=True)
            return model.weighting(model.task_losses(features, labels, outputs, weights))

        @tf.function(autograph=False)
        def gradients_of(*given: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = loss_of(*given)
            found = tape.gradient(loss, [each.value for each in model.trainable_variables])
            # As they are: a table's gradient made dense would cost what no step pays.
            return [getattr(each, "values", each) for each in found]

        calls |= {"forward": lambda: loss_of(*batch), "backward": lambda: gradients_of(*batch)}
    return calls


def measure(
    num_tasks: int, batch_size: int, methods: Sequence[str], num_rounds: int
) -> dict[str, FloatArray]:
    """Times all methods in turn.

    Args:
        num_tasks: Tasks of the model.
        batch_size: Rows a step.
        methods: Names of gradient weightings.
        num_rounds: How often each is timed.

    Returns:
        Seconds by call, float `[num_rounds]`: `forward`, `backward`, `fixed` and each method.
    """
    data = prepared(num_tasks, batch_size)
    plain = make_calls(data, FIXED)
    calls = {FIXED: plain["step"], "forward": plain["forward"], "backward": plain["backward"]}
    calls |= {name: make_calls(data, name)["step"] for name in methods}
    seconds = seconds_in_turn(list(calls.values()), num_rounds)
    return dict(zip(calls, seconds.T, strict=True))


def rows_of(seconds: dict[str, FloatArray], num_tasks: int) -> list[Row]:
    """Makes the rows: milliseconds of the step and passes of each method, held to the bound.

    Args:
        seconds: What `measure` returned.
        num_tasks: Tasks of the model.

    Returns:
        The rows; of the passes the median over the rounds, and half their interquartile range.
    """
    median = {name: float(np.median(each)) for name, each in seconds.items()}
    backward = median["backward"] - median["forward"]
    rows = [
        Row(f"forward pass and losses, {num_tasks} tasks", 1e3 * median["forward"], "ms"),
        Row(f"backward pass, {num_tasks} tasks", 1e3 * backward, "ms"),
        Row(f"step under fixed weights, {num_tasks} tasks", 1e3 * median[FIXED], "ms"),
    ]
    for name in seconds:
        if name in WEIGHTINGS and name != FIXED:
            passes = 1 + (seconds[name] - seconds[FIXED]) / backward
            low, middle, high = np.percentile(passes, [25, 50, 75])
            rows.append(
                Row(
                    f"{name}, {num_tasks} tasks",
                    float(middle),
                    "backward passes",
                    float(high - low) / 2,
                    rule="at_most",
                    bound=num_tasks + 0.5,
                )
            )
    return rows


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=int, nargs="+", default=[2, 4], help="numbers of tasks")
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--rounds", type=int, default=30)
    add_results_option(parser)
    return parser.parse_args()


def main() -> None:
    """Measures and reports."""
    arguments = parse()
    rows = []
    for num_tasks in arguments.tasks:
        seconds = measure(num_tasks, arguments.batch_size, arguments.methods, arguments.rounds)
        rows += rows_of(seconds, num_tasks)
    description = (
        f"generated rows of {NUM_FEATURES} categories, MMoE of 4 experts of width 128, batch "
        f"{arguments.batch_size:,}; median and half the interquartile range over "
        f"{arguments.rounds} rounds in turn"
    )
    sys.exit(not report(__file__, rows, description, [SEED], arguments.results))


if __name__ == "__main__":
    main()
