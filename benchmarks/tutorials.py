"""The joint models of the multi-task tutorials of TFRS and keras-rs, written anew to be timed.

Sources:
    https://www.tensorflow.org/recommenders/examples/multitask
    https://keras.io/keras_rs/examples/multi_task
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from epoch_clock import clock_callback

WIDTH, RATING_DIMS = 32, (256, 128)
STEPS_IN_ONE_CALL = 8
"""Steps of one call of the graph: our default, which the tutorials get as well."""


def train_tfrs(events: pd.DataFrame, batch_size: int, num_epochs: int, has_metric: bool) -> None:
    """Trains the TFRS tutorial's joint model, an epoch in each turn."""
    import tensorflow as tf
    import tensorflow_recommenders as tfrs

    users, films, ratings = _columns(events)

    class JointModel(tfrs.Model):
        """Two embeddings, a softmax over the batch, and dense layers for the rating."""

        def __init__(self) -> None:
            super().__init__()
            self.user_tower = _tower(tf, np.unique(users.astype(str)))
            self.film_tower = _tower(tf, np.unique(films.astype(str)))
            self.rating_layers = tf.keras.Sequential(
                [tf.keras.layers.Dense(width, "relu") for width in RATING_DIMS]
                + [tf.keras.layers.Dense(1)]
            )
            catalogue = tf.data.Dataset.from_tensor_slices(np.unique(films.astype(str)))
            metrics = tfrs.metrics.FactorizedTopK(catalogue.batch(128).map(self.film_tower))
            self.retrieval = tfrs.tasks.Retrieval(metrics=metrics if has_metric else None)
            self.ranking = tfrs.tasks.Ranking(
                tf.keras.losses.MeanSquaredError(), [tf.keras.metrics.RootMeanSquaredError()]
            )

        def compute_loss(self, inputs: Any, training: bool = False) -> Any:
            """Adds both tasks' losses with weights of 1."""
            user = self.user_tower(inputs["user_id"])
            film = self.film_tower(inputs["item_id"])
            predicted = self.rating_layers(tf.concat([user, film], axis=1))
            rating_loss = self.ranking(labels=inputs["rating"], predictions=predicted)
            return rating_loss + self.retrieval(user, film, compute_metrics=has_metric)

    columns = {
        "user_id": users.astype(str),
        "item_id": films.astype(str),
        "rating": ratings.astype("float32"),
    }
    batches = tf.data.Dataset.from_tensor_slices(columns).shuffle(100_000, seed=42)
    batches = batches.batch(batch_size).cache()
    model = JointModel()
    model.compile(optimizer=tf.keras.optimizers.Adagrad(0.1), steps_per_execution=STEPS_IN_ONE_CALL)
    model.fit(batches, epochs=num_epochs, callbacks=[clock_callback(tf.keras)], verbose=0)


def train_keras_rs(events: pd.DataFrame, batch_size: int, num_epochs: int) -> None:
    """Trains the keras-rs tutorial's joint model, an epoch in each turn."""
    import keras
    import keras_rs
    import tensorflow as tf

    users, films, ratings = _columns(events)
    num_users, num_films = (int(ids.astype(int).max()) + 1 for ids in (users, films))

    class JointModel(keras.Model):
        """Two embeddings, a softmax over the batch, and dense layers for the rating."""

        def __init__(self) -> None:
            super().__init__()
            self.user_table = keras.layers.Embedding(num_users, WIDTH)
            self.film_table = keras.layers.Embedding(num_films, WIDTH)
            self.rating_layers = keras.Sequential(
                [keras.layers.Dense(width, "relu") for width in RATING_DIMS]
                + [keras.layers.Dense(1)]
            )
            # Ranks the catalogue outside of training only.
            self.retrieval = keras_rs.layers.BruteForceRetrieval(k=10, return_scores=False)
            self.softmax_loss = keras.losses.CategoricalCrossentropy(
                from_logits=True, reduction="sum"
            )
            self.rating_loss = keras.losses.MeanSquaredError()
            self.rmse = keras.metrics.RootMeanSquaredError()

        def build(self, input_shape: Any) -> None:
            self.user_table.build(None)
            self.film_table.build(None)
            self.retrieval.candidate_embeddings = self.film_table.embeddings
            self.retrieval.build(None)
            self.rating_layers.build((None, 2 * WIDTH))
            super().build(input_shape)

        def call(self, inputs: Any, training: bool = False) -> Any:
            user = self.user_table(inputs["user_id"])
            film = self.film_table(inputs["item_id"])
            rating = self.rating_layers(keras.ops.concatenate([user, film], axis=1))
            return {"user": user, "film": film, "rating": rating}

        def compute_loss(
            self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None, training: bool = True
        ) -> Any:
            scores = keras.ops.matmul(y_pred["user"], keras.ops.transpose(y_pred["film"]))
            labels = keras.ops.eye(keras.ops.shape(scores)[0], keras.ops.shape(scores)[1])
            rating_loss = self.rating_loss(keras.ops.expand_dims(y, -1), y_pred["rating"])
            return self.softmax_loss(labels, scores) + rating_loss

        def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            self.rmse.update_state(keras.ops.expand_dims(y, -1), y_pred["rating"])
            return self.get_metrics_result()

    inputs = {"user_id": users.astype("int32"), "item_id": films.astype("int32")}
    targets = (ratings.astype("float32") - 1) / 4
    batches = tf.data.Dataset.from_tensor_slices((inputs, targets)).shuffle(100_000, seed=42)
    batches = batches.batch(batch_size).cache()
    model = JointModel()
    model.compile(optimizer=keras.optimizers.Adagrad(0.1), steps_per_execution=STEPS_IN_ONE_CALL)
    model.fit(batches, epochs=num_epochs, callbacks=[clock_callback(keras)], verbose=0)


def _columns(events: pd.DataFrame) -> tuple[Any, Any, Any]:
    """User ids, film ids and ratings."""
    return tuple(events[name].to_numpy() for name in ("user_id", "item_id", "rating"))


def _tower(tf: Any, vocabulary: Any) -> Any:
    return tf.keras.Sequential(
        [
            tf.keras.layers.StringLookup(vocabulary=vocabulary, mask_token=None),
            tf.keras.layers.Embedding(len(vocabulary) + 1, WIDTH),
        ]
    )
