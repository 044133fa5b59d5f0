"""SASRec of three libraries, of equal sizes, over the same sequences.

Runs in the peers' environment too, so that nothing of recsys_tf is imported but by its own model.
Each sequence has one event more than is read, and all have the same length: nothing is padded in
any library. Width 64, two blocks of one head, feed-forward layers of width 64, dropout of 0.2 from
the events with their positions and from what each part of a block adds, none from the attention's
weights, batches of 128 sequences, Adam at 0.001, the softmax over all items. No library clips
gradients, decays weights, validates or saves. Input, shuffling and stacking of batches are timed,
each library's own.

RecTools asks every position for the item that comes next, RecBole the last one alone: ours is
timed both ways. With its questions at the last position it still makes all states, as RecBole does.

What is not equal: RecTools drops the attention's weights by the share of all its dropout; its
layers are made here without that, which makes it faster. It drops units of the items' table too,
from which it scores. RecBole normalises after each part of a block (and the events themselves),
RecTools the queries alone and not the keys, ours before each part. In ours a table's gradient from
reading is of the rows that were read; in PyTorch both are of the whole table. Adam moves every row
in all three.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from epoch_clock import EpochClock, clock_callback

NUM_ITEMS = 3416
WIDTH, NUM_LAYERS, NUM_HEADS = 64, 2, 1
BATCH_SIZE = 128
DROPOUT = 0.2
LEARNING_RATE = 1e-3


def generate(num_sequences: int, length: int, num_items: int = NUM_ITEMS, seed: int = 0) -> Any:
    """Draws sequences of items by Zipf's law; every item is met where there are events enough.

    Args:
        num_sequences: Rows.
        length: Events that are read; a row has one more.
        num_items: Items of the catalogue.
        seed: Draws the events.

    Returns:
        int32 `[num_sequences, length + 1]`, items from 0; item `k` is drawn with a probability
        proportional to `1 / (k + 1)`.
    """
    random = np.random.default_rng(seed)
    weights = 1 / np.arange(1, num_items + 1)
    drawn = random.choice(num_items, num_sequences * (length + 1), p=weights / weights.sum())
    # A library counts the items that it meets, and all are to have the same table.
    once = random.choice(len(drawn), min(num_items, len(drawn)), replace=False)
    drawn[once] = np.arange(len(once))
    return drawn.reshape(num_sequences, length + 1).astype(np.int32)


def our_model(events: np.ndarray) -> Any:
    """Makes our model for sequences of this length."""
    from recsys_tf import SequenceConfig
    from recsys_tf.models import SequenceRecommender
    from recsys_tf.types import NUM_RESERVED_INDICES

    config = SequenceConfig(
        embedding_dim=WIDTH,
        max_length=events.shape[1] - 1,
        dropout=DROPOUT,
        encoder_options={"num_layers": NUM_LAYERS, "num_heads": NUM_HEADS},
    )
    return SequenceRecommender(NUM_ITEMS + NUM_RESERVED_INDICES, config)


def our_batches(events: np.ndarray, is_last_asked: bool = False) -> Any:
    """Makes our training batches; labels of 0 ask nothing."""
    import tensorflow as tf

    from recsys_tf.features import Sequences, make_sequence_dataset
    from recsys_tf.types import NUM_RESERVED_INDICES

    length = events.shape[1] - 1
    items = events.reshape(-1) + NUM_RESERVED_INDICES
    ends = np.arange(1, len(events) + 1) * (length + 1)
    sequences = Sequences(items, np.zeros(len(items), np.int64), ends - length - 1, ends)
    batches = make_sequence_dataset(sequences, length, BATCH_SIZE, seed=0)
    if is_last_asked:
        at_last = tf.one_hot(length - 1, length, dtype=tf.int32)
        batches = batches.map(lambda features, labels: (features, labels * at_last))
    return batches


def our_training(num_epochs: int) -> Any:
    """Makes the configuration of our training."""
    from recsys_tf import TrainingConfig

    return TrainingConfig(
        batch_size=BATCH_SIZE,
        epochs=num_epochs,
        learning_rate=LEARNING_RATE,
        schedule="constant",
        clip_norm=None,
        warmup_share=0.0,
        self_checks=False,
    )


def train_recsys_tf(events: np.ndarray, num_epochs: int, is_last_asked: bool = False) -> int:
    """Trains our model, an epoch in each turn; returns the number of its parameters."""
    import keras

    from recsys_tf.training import fit

    model, batches = our_model(events), our_batches(events, is_last_asked)
    clock = clock_callback(keras)
    fit(model, batches, None, our_training(num_epochs), callbacks=[clock], verbose=0)
    return sum(int(np.prod(each.shape)) for each in model.trainable_weights)


def train_recsys_tf_at_last(events: np.ndarray, num_epochs: int) -> int:
    """The same with one question a sequence, at its end."""
    return train_recsys_tf(events, num_epochs, is_last_asked=True)


def train_rectools(events: np.ndarray, num_epochs: int) -> int:
    """The same of RecTools, through its model's `fit`."""
    import pandas as pd
    from pytorch_lightning import Callback, Trainer
    from rectools.dataset import Dataset
    from rectools.models import SASRecModel
    from rectools.models.nn.item_net import IdEmbeddingsItemNet
    from rectools.models.nn.transformers.sasrec import SASRecTransformerLayers

    clock = EpochClock()

    class ClockCallback(Callback):
        def on_train_epoch_end(self, *_: Any) -> None:
            clock.epoch_ended()

    class Layers(SASRecTransformerLayers):
        """RecTools' own, without dropout of the attention's weights."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            for block in self.transformer_blocks:
                block.multi_head_attn.dropout = 0.0

    def trainer() -> Trainer:
        return Trainer(
            max_epochs=num_epochs,
            accelerator="cpu",
            callbacks=[ClockCallback()],
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            logger=False,
        )

    rows, length = len(events), events.shape[1] - 1
    interactions = pd.DataFrame(
        {
            "user_id": np.repeat(np.arange(rows), length + 1),
            "item_id": events.reshape(-1),
            "weight": 1,
            "datetime": pd.Timestamp(0) + pd.to_timedelta(np.arange(events.size), unit="s"),
        }
    )
    model = SASRecModel(
        n_blocks=NUM_LAYERS,
        n_heads=NUM_HEADS,
        n_factors=WIDTH,
        dropout_rate=DROPOUT,
        session_max_len=length,
        loss="softmax",
        lr=LEARNING_RATE,
        batch_size=BATCH_SIZE,
        item_net_block_types=(IdEmbeddingsItemNet,),
        transformer_layers_type=Layers,
        get_trainer_func=trainer,
    )
    model.fit(Dataset.construct(interactions))
    return sum(each.numel() for each in model.lightning_model.torch_model.parameters())


def train_recbole(events: np.ndarray, num_epochs: int) -> int:
    """The same of RecBole: its trainer's epochs, over files that it writes where it runs."""
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.model.sequential_recommender import SASRec
    from recbole.trainer import Trainer
    from recbole.utils import init_seed

    write_atomic_files(events, Path("sequences"))
    config = Config(model="SASRec", dataset="sequences", config_dict=recbole_settings(events))
    init_seed(config["seed"], config["reproducibility"])
    train_data, _, _ = data_preparation(config, create_dataset(config))
    model = SASRec(config, train_data.dataset)
    trainer = Trainer(config, model)
    clock = EpochClock()
    for epoch in range(num_epochs):
        trainer._train_epoch(train_data, epoch)
        clock.epoch_ended()
    return sum(each.numel() for each in model.parameters())


def recbole_settings(events: np.ndarray) -> dict[str, Any]:
    """Returns RecBole's settings for sequences that stand in the folder it runs in."""
    return {
        "data_path": ".",
        "checkpoint_dir": "saved",
        "use_gpu": False,
        "show_progress": False,
        "state": "WARNING",
        "benchmark_filename": ["train", "valid", "test"],
        "load_col": {"inter": ["user_id", "item_id_list", "item_id"]},
        "alias_of_item_id": ["item_id_list"],
        "ITEM_LIST_LENGTH_FIELD": "item_length",
        "MAX_ITEM_LIST_LENGTH": events.shape[1] - 1,
        "train_neg_sample_args": None,
        "train_batch_size": BATCH_SIZE,
        "learning_rate": LEARNING_RATE,
        "loss_type": "CE",
        "n_layers": NUM_LAYERS,
        "n_heads": NUM_HEADS,
        "hidden_size": WIDTH,
        "inner_size": WIDTH,
        "hidden_act": "relu",
        "hidden_dropout_prob": DROPOUT,
        "attn_dropout_prob": 0.0,
    }


def write_atomic_files(events: np.ndarray, folder: Path) -> None:
    """Writes sequences as RecBole reads ready ones: the events before the last, and the last."""
    os.makedirs(folder, exist_ok=True)
    head = "user_id:token\titem_id_list:token_seq\titem_id:token\n"
    rows = [
        f"{user}\t{' '.join(map(str, row[:-1]))}\t{row[-1]}\n"
        for user, row in enumerate(events.tolist())
    ]
    # Nothing is validated here, but RecBole wants all three parts.
    for part, lines in (("train", rows), ("valid", rows[:1]), ("test", rows[:1])):
        path = folder / f"{folder.name}.{part}.inter"
        path.write_text(head + "".join(lines), encoding="utf-8")


TRAINERS = {
    "recsys_tf": train_recsys_tf,
    "recsys_tf_at_last": train_recsys_tf_at_last,
    "rectools": train_rectools,
    "recbole": train_recbole,
}
"""By name: `(events, epochs) -> number of parameters`."""
