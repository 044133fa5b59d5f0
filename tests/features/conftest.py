from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from recsys_tf.config import TextConfig
from recsys_tf.features import Preprocessor, catalogue_examples, fit_state, make_examples
from recsys_tf.schema import (
    CategoricalFeature,
    EmbeddingFeature,
    HistoryFeature,
    IdFeature,
    NumericFeature,
    Schema,
    TaskSpec,
    TextFeature,
)

LENGTH = 4
LISTS = {
    "tags": tf.string,
    "history": tf.string,
    "genres": tf.string,
    "ratings": tf.float32,
    "surfaces": tf.string,
    "moments": tf.int64,
}


def make_schema(has_text=True):
    features = [
        IdFeature(name="user_id", side="user"),
        CategoricalFeature(name="gender", side="user"),
        NumericFeature(name="age", side="user"),
        CategoricalFeature(name="tags", side="user", is_multivalent=True, max_values=2),
        HistoryFeature(
            name="history",
            side="user",
            of="item_id",
            max_length=LENGTH,
            values_name="ratings",
            times_name="moments",
            actions_name="surfaces",
            actions=("tv", "phone"),
            action_column="device",
        ),
        CategoricalFeature(name="device", side="context", values=("phone", "tv")),
        NumericFeature(name="hour", side="context", scaling="none", num_bins=4),
        IdFeature(name="item_id", side="item", min_count=2),
        CategoricalFeature(name="genres", side="item", is_multivalent=True, max_values=3),
        NumericFeature(name="price", side="item", scaling="log", num_bins=8),
        EmbeddingFeature(name="image", side="item", size=3),
    ]
    if has_text:
        features.append(TextFeature(name="title", side="item", max_tokens=6))
    return Schema(
        features=tuple(features),
        tasks=(
            TaskSpec(name="watch", kind="retrieval", label="rating", positive_at_least=3),
            TaskSpec(name="rating", kind="regression", label="rating", value_range=(1, 5)),
            TaskSpec(name="click", kind="binary", label="click", sample_weight="click_weight"),
            TaskSpec(
                name="genres_task", kind="multilabel", label="genres", from_features=("price",)
            ),
            TaskSpec(
                name="device_task", kind="multiclass", label="device", from_features=("hour",)
            ),
        ),
    )


class World:
    """About a hundred events, with a missing value of every kind."""

    def __init__(self, has_text=True, num_events=120):
        rng = np.random.default_rng(7)
        words = ["Toy", "Story", "of", "the", "Été", "—", "Star", "Wars", "🎬", "(1995)", "naïve"]
        num_users, num_items = 9, 15
        self.schema = make_schema(has_text)
        self.items = pd.DataFrame(
            {
                "item_id": [f"i{k}" for k in range(num_items)],
                "genres": [[f"g{k % 3}", f"g{k % 4}"][: k % 3] for k in range(num_items)],
                "price": np.where(np.arange(num_items) % 5 == 0, np.nan, rng.lognormal(2, 2, 15)),
                "image": [None if k == 3 else [k, 0.5, -k] for k in range(num_items)],
                "title": [" ".join(rng.choice(words, k % 6)) for k in range(num_items)],
            }
        )
        self.users = pd.DataFrame(
            {
                "user_id": [f"u{k}" for k in range(num_users)],
                "gender": ["F", "M", ""] * 3,
                "age": np.where(np.arange(num_users) == 4, np.nan, rng.normal(40, 9, num_users)),
                "tags": [["x", "y", "z"][k % 4 :] for k in range(num_users)],
            }
        )
        rating = rng.integers(1, 6, num_events).astype(float)
        rating[5] = np.nan
        self.events = pd.DataFrame(
            {
                "user_id": [f"u{k}" for k in rng.integers(0, num_users, num_events)],
                "item_id": [f"i{k}" for k in rng.integers(0, num_items, num_events)],
                "timestamp": rng.integers(0, 60, num_events),
                "device": rng.choice(["phone", "tv", "fridge", ""], num_events),
                "hour": rng.integers(0, 24, num_events).astype(float),
                "rating": rating,
                "click": rng.integers(0, 2, num_events).astype(float),
                "click_weight": rng.integers(0, 3, num_events) / 2,
            }
        )
        self.catalogue = catalogue_examples(self.schema, self.items)
        self.train = np.arange(100)
        self.examples = self.make(self.train)
        self.state = fit_state(
            self.schema, self.examples, self.catalogue, TextConfig(vocabulary_size=80)
        )
        self.preprocessor = Preprocessor(self.schema, self.state)

    def make(self, rows, history="past", reference_rows=None):
        return make_examples(self.schema, self.events, self.users, rows, history, reference_rows)

    def raw(self, row, is_target_masked=False):
        """One row as a server would get it: lists of values by name; an independent twin."""
        event = self.events.iloc[row]
        user = self.users.set_index("user_id").loc[event.user_id]
        item = self.items.set_index("item_id").loc[event.item_id]
        events = self.events
        past = events[(events.user_id == event.user_id) & (events.timestamp < event.timestamp)]
        past = past.sort_values("timestamp", kind="stable")[-LENGTH:]
        if is_target_masked:
            past = past[past.item_id != event.item_id]
        raw = {
            "user_id": event.user_id,
            "gender": user.gender,
            "age": user.age,
            "tags": list(user.tags),
            "history": list(past.item_id),
            "ratings": list(past.rating),
            "surfaces": list(past.device),
            "moments": list(past.timestamp),
            "device": event.device,
            "hour": event.hour,
            "item_id": event.item_id,
            "genres": list(item.genres),
            "price": item.price,
            "image": [np.nan] * 3 if item.image is None else list(item.image),
        }
        if any(each.name == "title" for each in self.schema.features):
            raw["title"] = item.title
        return raw

    @staticmethod
    def raw_tensors(rows):
        """Dicts of plain values -> raw tensors, lists ragged."""
        raw = {}
        for name in rows[0]:
            values = [row[name] for row in rows]
            if name in LISTS:
                raw[name] = tf.ragged.constant(values, LISTS[name], ragged_rank=1)
            else:
                is_text = isinstance(values[0], str)
                raw[name] = tf.constant(values, tf.string if is_text else tf.float32)
        return raw

    def eager_rows(self, rows):
        """The preprocessor on ten rows at a time."""
        chunks = [rows[start : start + 10] for start in range(0, len(rows), 10)]
        parts = [self.preprocessor(self.raw_tensors(chunk)) for chunk in chunks]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    @staticmethod
    def dataset_rows(dataset):
        features = [batch[0] for batch in dataset]
        return {name: np.concatenate([part[name] for part in features]) for name in features[0]}


@pytest.fixture(scope="session")
def world():
    pytest.importorskip("tensorflow_text")
    return World()


@pytest.fixture(scope="session")
def plain_world():
    return World(has_text=False)


@pytest.fixture(scope="session")
def with_known_items():
    """Makes a world whose preprocessing knows so many items; the others are unknown."""

    def make(world, num_items):
        made, tables = copy.copy(world), dict(world.state.vocabularies)
        tables["item_id"] = tables["item_id"][:num_items]
        made.state = dataclasses.replace(world.state, vocabularies=tables)
        made.preprocessor = Preprocessor(made.schema, made.state)
        return made

    return make
