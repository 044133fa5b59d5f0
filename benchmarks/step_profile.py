"""Where the time of a training step goes, and what XLA would make of it.

    python benchmarks/step_profile.py --data-dir FOLDER

Two models: the two-tower preset of MovieLens 100K on its training rows, and SASRec of width 128
over generated sequences of 200 events by Zipf's law over 3,416 items, all positions asked. A step
is cut off after each of its parts (`recsys_tf.step_profile`); the input is made beside it, and
training waits for it only where it takes longer than the step.

Training does not use XLA. The last rows are steps with XLA and without, in turn, and the seconds
that XLA compiles for: SASRec's encoder forward and back at one shape (batches of like length have a
new shape every few steps, and each would be compiled anew); and the whole step of two rankers over
40 categories, PLE and DCNv2, whose shapes never change.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from reporting import Row, add_results_option, report
from step_timing import seconds_in_turn

from recsys_tf import (
    CategoricalFeature,
    ModelConfig,
    RunConfig,
    SequenceConfig,
    TableSchema,
    TaskSpec,
    TrainingConfig,
)
from recsys_tf.datasets import load_dataset
from recsys_tf.features import Sequences, make_sequence_dataset
from recsys_tf.models import Ranker, SequenceRecommender
from recsys_tf.preparation import prepare
from recsys_tf.presets import preset
from recsys_tf.step_profile import StepProfile, profile_step
from recsys_tf.training import build_recommender, compile_model
from recsys_tf.types import NUM_RESERVED_INDICES

SEED = 42
NUM_ITEMS, LENGTH, WIDTH, BATCH_SIZE = 3416, 200, 128, 16
NUM_FIELDS, NUM_VALUES, NUM_ROWS = 40, 50, 1024
RANKERS: dict[str, dict[str, Any]] = {
    "PLE": {"multitask": "ple", "num_cross_layers": 0, "expert_dim": 128},
    "DCNv2": {"multitask": "shared_bottom", "num_cross_layers": 2, "trunk_dims": (128,)},
}


def two_tower(run: RunConfig) -> tuple[keras.Model, tf.data.Dataset]:
    """Makes the model of a run, compiled, and its training batches."""
    data = prepare(run, load_dataset(run.data.dataset, run.data.folder))
    model, batches = build_recommender(data), data.dataset("train")
    compile_model(model, run.training, int(batches.cardinality()))
    return model, batches


def sasrec(num_batches: int) -> tuple[SequenceRecommender, tf.data.Dataset]:
    """Makes SASRec, compiled, and batches of full length."""
    random = np.random.default_rng(SEED)
    weights = 1 / np.arange(1, NUM_ITEMS + 1)
    num_rows = BATCH_SIZE * num_batches
    items = random.choice(NUM_ITEMS, num_rows * (LENGTH + 1), p=weights / weights.sum())
    ends = np.arange(1, num_rows + 1) * (LENGTH + 1)
    sequences = Sequences(
        (items + NUM_RESERVED_INDICES).astype(np.int32),
        np.zeros(len(items), np.int64),
        ends - LENGTH - 1,
        ends,
    )
    batches = make_sequence_dataset(sequences, LENGTH, BATCH_SIZE, SEED)
    options = {"num_heads": 2, "activation": "gelu"}
    config = SequenceConfig(embedding_dim=WIDTH, max_length=LENGTH, encoder_options=options)
    model = SequenceRecommender(NUM_ITEMS + NUM_RESERVED_INDICES, config)
    compile_model(model, TrainingConfig(clip_norm=None), num_batches)
    return model, batches


def encoder_step(model: keras.Model, features: Any, is_compiled: bool) -> Callable[[], Any]:
    """The states of a batch and gradients through them."""
    variables = [each.value for each in model.sequence_encoder.trainable_variables]

    @tf.function(autograph=False, jit_compile=is_compiled)
    def run(features: Any) -> Any:
        with tf.GradientTape() as tape:
            # The plain sum of normalized states is constant: its gradients are rounding.
            total = tf.reduce_sum(tf.tanh(model(features, training=True)))
        return tape.gradient(total, variables)

    return lambda: run(features)


def ranker_step(model: str, is_compiled: bool) -> Callable[[], Any]:
    """A training step of a ranker over one batch that lies in memory."""
    random = np.random.default_rng(SEED)
    names = [f"field_{place}" for place in range(NUM_FIELDS)]
    tasks = ("click", "buy")
    schema = TableSchema(
        features=tuple(CategoricalFeature(name=name, side="user") for name in names),
        tasks=tuple(TaskSpec(name=name, kind="binary", label=name) for name in tasks),
    )
    keras.utils.set_random_seed(SEED)
    ranker = Ranker(schema, dict.fromkeys(names, NUM_VALUES), ModelConfig(**RANKERS[model]))
    compile_model(ranker, TrainingConfig(steps_per_execution=1), 1)
    codes = random.integers(0, NUM_VALUES, (NUM_FIELDS, NUM_ROWS)).astype(np.int32)
    features = dict(zip(names, map(tf.constant, codes), strict=True))
    labels = {name: tf.cast(random.integers(0, 2, NUM_ROWS), tf.float32) for name in tasks}
    weights = dict.fromkeys(tasks, tf.ones(NUM_ROWS))

    @tf.function(autograph=False, jit_compile=is_compiled)
    def run() -> Any:
        return ranker.train_step((features, labels, weights))["loss"]

    return run


def xla_rows(
    shown: str, plain: Callable[[], Any], compiled: Callable[[], Any], num_rounds: int
) -> list[Row]:
    """Times a step with XLA and without."""
    plain()
    start = time.perf_counter()
    compiled()
    compiling = time.perf_counter() - start
    seconds = seconds_in_turn([plain, compiled], num_rounds)
    ratios = seconds[:, 0] / seconds[:, 1]
    return [
        Row(f"{shown}, without XLA", 1e3 * float(np.median(seconds[:, 0])), "ms"),
        Row(f"{shown}, with XLA", 1e3 * float(np.median(seconds[:, 1])), "ms"),
        Row(f"{shown}, speed with XLA / without", float(np.median(ratios)), "x"),
        Row(f"{shown}, XLA compiles one shape", compiling, "s"),
    ]


def rows_of(name: str, profile: StepProfile) -> list[Row]:
    """Makes the rows of one model."""
    return [Row(f"{name}, {part}", ms, "ms") for part, ms in profile.milliseconds.items()]


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", help="folder with the files of MovieLens 100K")
    parser.add_argument("--rounds", type=int, default=30, help="how often each part is timed")
    add_results_option(parser)
    parser.add_argument("--trace", help="folder for the traces of both models' operations")
    return parser.parse_args()


def main() -> None:
    """Measures and reports."""
    arguments = parse()
    keras.utils.set_random_seed(SEED)
    values = preset("ml-100k").to_dict()
    values["data"]["folder"] = arguments.data_dir
    models = {
        "two-tower": two_tower(RunConfig.from_dict(values)),
        "SASRec": sasrec(num_batches=arguments.rounds + 2),
    }
    rows = []
    for name, (model, batches) in models.items():
        folder = arguments.trace and f"{arguments.trace}/{name}"
        profile = profile_step(model, batches, num_rounds=arguments.rounds, trace_folder=folder)
        rows += rows_of(name, profile)
    model, batches = models["SASRec"]
    features = next(iter(batches))[0]
    steps = {
        "SASRec, encoder forward and back": [
            encoder_step(model, features, e) for e in (False, True)
        ],
        **{f"{name}, step": [ranker_step(name, e) for e in (False, True)] for name in RANKERS},
    }
    for shown, (plain, compiled) in steps.items():
        rows += xla_rows(shown, plain, compiled, arguments.rounds)
    description = (
        "MovieLens 100K, batches of 512 rows; generated sequences, 16 of 200 events a batch; "
        f"generated tables, {NUM_ROWS:,} rows a batch"
    )
    report(__file__, rows, description, [SEED], arguments.results)


if __name__ == "__main__":
    main()
