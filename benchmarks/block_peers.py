"""One model of three libraries, of equal sizes, timed over batches that lie in memory.

Runs in the peers' environments too, so that nothing of recsys_tf is imported but by its own model.
Sizes: embeddings of 16 for each field, laid side by side. MMoE: 6 experts of 128. PLE: two levels
of 2 shared and 2 experts a task, of 128. Each task's head: 32 units. DCNv2: two cross layers of a
full matrix and dense layers of 128 and 64 units. Adam at 0.001, no dropout, no regularisation.

No library clips gradients, decays weights or validates here. What is not equal: torch-rechub
normalises by batch after every dense layer, gates too. DeepCTR has the dense layers of DCNv2 beside
the crosses, of the same widths, and not behind them. Ours counts each task's AUC in every training
step, as it always does, and takes a weight a row and task; the peers report losses only. In both
TensorFlow libraries a table's gradient is of the rows that were read, and Adam moves every row;
in PyTorch the gradient is of the whole table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from epoch_clock import EpochClock, clock_callback

MODELS = ("mmoe", "ple", "dcn_v2")
TASKS = ("income", "never_married")
EMBEDDING_DIM, EXPERT_DIM, HEAD_DIM = 16, 128, 32
NUM_EXPERTS = 6
NUM_SHARED, NUM_OWN, NUM_LEVELS = 2, 2, 2
NUM_CROSSES, DEEP_DIMS = 2, (128, 64)
LEARNING_RATE = 1e-3
STEPS_IN_ONE_CALL = 8
"""Steps of one call of the graph: our default, which DeepCTR gets as well."""


@dataclass(frozen=True)
class CodedRows:
    """Rows as every library takes them: one index a field.

    Attributes:
        codes: int32 `[n, F]`.
        labels: float32 `[n, T]`, in the order of `TASKS`.
        num_indices: Rows of each field's embedding table, by its name, in the order of `codes`.
    """

    codes: np.ndarray
    labels: np.ndarray
    num_indices: dict[str, int]

    def save(self, folder: Path) -> None:
        """Writes the rows into a folder."""
        np.savez(folder / "rows.npz", codes=self.codes, labels=self.labels)
        (folder / "num_indices.json").write_text(json.dumps(self.num_indices), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> CodedRows:
        """Reads what `save` wrote."""
        arrays = np.load(folder / "rows.npz")
        num_indices = json.loads((folder / "num_indices.json").read_text(encoding="utf-8"))
        return cls(arrays["codes"], arrays["labels"], num_indices)

    def batches(self, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Cuts whole batches; the rest of the rows is left out."""
        starts = range(0, len(self.codes) - size + 1, size)
        return [(self.codes[at : at + size], self.labels[at : at + size]) for at in starts]


def tasks_of(model: str) -> tuple[str, ...]:
    """Returns the tasks of a model: DCNv2 has one."""
    return TASKS[:1] if model == "dcn_v2" else TASKS


def train_recsys_tf(model: str, rows: CodedRows, size: int, num_epochs: int) -> int:
    """Trains our ranker, an epoch in each turn; returns the number of its parameters."""
    import keras

    from recsys_tf import CategoricalFeature, ModelConfig, TableSchema, TaskSpec, TrainingConfig
    from recsys_tf.models import Ranker
    from recsys_tf.training import fit

    sizes: dict[str, dict[str, Any]] = {
        "mmoe": {"multitask": "mmoe", "num_experts": NUM_EXPERTS},
        "ple": {
            "multitask": "ple",
            "num_experts": NUM_SHARED,
            "num_task_experts": NUM_OWN,
            "num_levels": NUM_LEVELS,
        },
        # The shared bottom of one task is the last dense layer.
        "dcn_v2": {
            "multitask": "shared_bottom",
            "num_cross_layers": NUM_CROSSES,
            "trunk_dims": DEEP_DIMS[:1],
            "expert_dim": DEEP_DIMS[1],
            "head_dims": (),
        },
    }
    common = {"num_cross_layers": 0, "trunk_dims": (), "expert_dim": EXPERT_DIM}
    common |= {"head_dims": (HEAD_DIM,), "embedding_dim": EMBEDDING_DIM, "dropout": 0.0}
    schema = TableSchema(
        features=tuple(CategoricalFeature(name=name, side="user") for name in rows.num_indices),
        tasks=tuple(TaskSpec(name=name, kind="binary", label=name) for name in tasks_of(model)),
    )
    training = TrainingConfig(
        batch_size=size,
        epochs=num_epochs,
        learning_rate=LEARNING_RATE,
        schedule="constant",
        clip_norm=None,
        warmup_share=0.0,
        steps_per_execution=STEPS_IN_ONE_CALL,
        self_checks=False,
    )
    ranker = Ranker(schema, rows.num_indices, ModelConfig(**{**common, **sizes[model]}))
    batches = _tf_batches(rows, size, model, is_column=False)
    # Our rows carry a weight for each task.
    ones = dict.fromkeys(tasks_of(model), np.ones(size, np.float32))
    batches = batches.map(lambda features, labels: (features, labels, ones)).cache()
    fit(ranker, batches, None, training, callbacks=[clock_callback(keras)], verbose=0)
    return sum(int(np.prod(each.shape)) for each in ranker.trainable_weights)


def train_deepctr(model: str, rows: CodedRows, size: int, num_epochs: int) -> int:
    """The same of DeepCTR, on tf-keras."""
    import tensorflow as tf
    from deepctr.feature_column import SparseFeat
    from deepctr.models import DCN
    from deepctr.models.multitask import MMOE, PLE

    columns = [
        SparseFeat(name, vocabulary_size=count, embedding_dim=EMBEDDING_DIM)
        for name, count in rows.num_indices.items()
    ]
    none = {"l2_reg_embedding": 0.0, "l2_reg_dnn": 0.0}
    if model == "dcn_v2":
        # No linear part: it is no part of DCNv2.
        network = DCN(
            [],
            columns,
            cross_num=NUM_CROSSES,
            cross_parameterization="matrix",
            dnn_hidden_units=DEEP_DIMS,
            l2_reg_linear=0.0,
            l2_reg_cross=0.0,
            **none,
        )
    else:
        several: dict[str, Any] = {
            "expert_dnn_hidden_units": (EXPERT_DIM,),
            "tower_dnn_hidden_units": (HEAD_DIM,),
            "task_types": ("binary",) * len(TASKS),
            "task_names": TASKS,
            **none,
        }
        if model == "mmoe":
            network = MMOE(columns, num_experts=NUM_EXPERTS, **several)
        else:
            several |= {"shared_expert_num": NUM_SHARED, "specific_expert_num": NUM_OWN}
            network = PLE(columns, num_levels=NUM_LEVELS, **several)
    optimizer = tf.keras.optimizers.Adam(LEARNING_RATE)
    network.compile(optimizer, "binary_crossentropy", steps_per_execution=STEPS_IN_ONE_CALL)
    batches = _tf_batches(rows, size, model, is_column=True)
    if model == "dcn_v2":
        batches = batches.map(lambda features, labels: (features, labels[TASKS[0]]))
    clock = clock_callback(tf.keras)
    network.fit(batches.cache(), epochs=num_epochs, callbacks=[clock], verbose=0)
    return int(network.count_params())


def _tf_batches(rows: CodedRows, size: int, model: str, is_column: bool) -> Any:
    """Makes a dataset of `({field: [B]}, {task: [B]})`, each `[B, 1]` where `is_column`."""
    import tensorflow as tf

    num_rows = len(rows.codes) // size * size
    shape = (-1, 1) if is_column else (-1,)
    names = enumerate(rows.num_indices)
    features = {name: rows.codes[:num_rows, at].reshape(shape) for at, name in names}
    labels = {
        name: rows.labels[:num_rows, at].reshape(shape) for at, name in enumerate(tasks_of(model))
    }
    # `drop_remainder` would fix the batch's size, and DeepCTR's DCN refuses one.
    return tf.data.Dataset.from_tensor_slices((features, labels)).batch(size)


def train_torch_rechub(model: str, rows: CodedRows, size: int, num_epochs: int) -> int:
    """The same of torch-rechub: its trainer's epochs over batches of tensors."""
    import torch
    from torch_rechub.basic.features import SparseFeature
    from torch_rechub.models.multi_task import MMOE, PLE
    from torch_rechub.models.ranking import DCNv2
    from torch_rechub.trainers import CTRTrainer, MTLTrainer

    fields = [
        SparseFeature(name, vocab_size=count, embed_dim=EMBEDDING_DIM)
        for name, count in rows.num_indices.items()
    ]
    types = ["classification"] * len(TASKS)
    experts = {"dims": [EXPERT_DIM], "activation": "relu"}
    heads = [{"dims": [HEAD_DIM], "activation": "relu"} for _ in TASKS]
    adam = {"optimizer_params": {"lr": LEARNING_RATE}}
    if model == "dcn_v2":
        deep = {"dims": list(DEEP_DIMS), "activation": "relu"}
        network = DCNv2(fields, NUM_CROSSES, deep, "stacked", use_low_rank_mixture=False)
        trainer = CTRTrainer(network, **adam)
    elif model == "mmoe":
        network = MMOE(fields, types, NUM_EXPERTS, experts, heads)
        trainer = MTLTrainer(network, types, **adam)
    else:
        network = PLE(fields, types, NUM_LEVELS, NUM_OWN, NUM_SHARED, experts, heads)
        trainer = MTLTrainer(network, types, **adam)
    batches = [
        (
            {
                name: torch.from_numpy(codes[:, at].copy())
                for at, name in enumerate(fields_of(rows))
            },
            torch.from_numpy(labels[:, 0] if model == "dcn_v2" else labels),
        )
        for codes, labels in rows.batches(size)
    ]
    clock = EpochClock()
    for _ in range(num_epochs):
        trainer.train_one_epoch(batches)
        clock.epoch_ended()
    return sum(each.numel() for each in network.parameters())


def fields_of(rows: CodedRows) -> Iterable[str]:
    """Returns the names of the fields in the order of the codes."""
    return rows.num_indices


TRAINERS = {
    "recsys_tf": train_recsys_tf,
    "deepctr": train_deepctr,
    "torch_rechub": train_torch_rechub,
}
"""By library: `(model, rows, batch size, epochs) -> number of parameters`."""
