"""A recommender of the next item that reads nothing but the items before it."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from recsys_tf.config import SequenceConfig
from recsys_tf.models.batches import OF_LOSSES, check_compiled
from recsys_tf.models.question_metrics import QuestionMetrics, question_weights, without_seen
from recsys_tf.models.sequence_model import SequenceModel
from recsys_tf.tasks import make_retrieval_loss
from recsys_tf.types import (
    NUM_RESERVED_INDICES,
    PADDING_INDEX,
    Array,
    FloatArray,
    Tensor,
)


@keras.saving.register_keras_serializable(package="recsys_tf")
class SequenceRecommender(SequenceModel):
    """Predicts the next item at every position of a history at once: `s_ln = h_l . E[n]`.

    `h = encoder(E[x])`, `h_l` being what the encoder makes of the events up to the `l`-th, and
    `E` the one table of the items, by which they are read and scored. One pass over a row of `L`
    events thus asks `L` questions. An encoder that reads in both directions is asked for events
    that are masked instead (BERT4Rec), and for one masked event at the end when it serves.

    No user has an id here: whoever has a history is known, and a new event counts at once. Beside
    its item an event may have a kind of action and a time (`EventEncoder`), and each item fixed
    content, `E[n] + C[n] W`, that is read and scored with it (`ItemContent`). Content tells items
    apart that training has not met, too: such a one is read as `E[1] + C[n] W`, of the unknown id,
    and scored by `C[n] W` alone. Training takes it neither for a negative nor for a positive: never
    chosen, as it was not there to be, its content would only be pushed away from all users.

    `compile` needs an optimiser only; `fit` takes `make_sequence_dataset`'s batches, `evaluate`
    batches with one label a row, at its end, and reports `hit_at_10` and `ndcg_at_10` among all
    items but those of the row itself, or those of its `seen`, int `[B, S]`, where the batch has
    them; ties count against the item asked for. `fit` reports them of its validation rows alone.
    Its `loss` is, as these, a mean over the questions by their weights; that of `fit` is the mean
    of the batches', weighed by their rows.

    Args:
        num_indices: Rows of the item table with the two reserved ones.
        config: Sizes, encoder and loss.
        content: float `[num_rows, F]`, what is fixed about each item, as `SequenceData.content`
            makes it: numbers of about length 1 a row, since an item's own vector starts small.
            Rows behind the `num_indices` first are of items that training has not met. It is saved
            with the weights. Where the item's id is hidden by `event_dropout`, its content stays,
            which teaches the model to read such items. None for items without.
        **kwargs: Arguments of `keras.Model`; `dtype` is that of the layers.

    Raises:
        SpecError: If the configuration names an unknown block or option.
        TypeError: If items, actions or times are not integers.
        ValueError: If `num_indices` has no row for an item, `content` is not finite or of fewer
            rows, a batch lacks `items` or a column that the configuration names, its weights are
            not `[B, L]`, or the time of a question is to be read by an encoder of both directions.

    Example:
        >>> import numpy as np
        >>> model = SequenceRecommender(12, SequenceConfig(embedding_dim=8, max_length=5))
        >>> model.predict({"items": np.array([[3, 4, 0]])}, verbose=0).shape
        (1, 12)

    Source: Kang and McAuley, 2018, "Self-Attentive Sequential Recommendation",
        https://arxiv.org/abs/1808.09781, section III, for the questions and the shared table;
        Klenitskiy and Vasilev, 2023, "Turning Dross Into Gold Loss",
        https://arxiv.org/abs/2309.07602, for the softmax over all items, which is the default.
    """

    def __init__(
        self,
        num_indices: int,
        config: SequenceConfig | None = None,
        content: FloatArray | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_indices, config, content, **kwargs)
        self.jit_compile = False  # Of a model that is not compiled; see `compile`.
        self.retrieval_loss = make_retrieval_loss(self.config.loss, **self.config.loss_options)
        self.question_metrics = QuestionMetrics()
        # Of the model itself, where Keras finds them, and where saved models have them.
        self.hit, self.ndcg = self.question_metrics.hit, self.question_metrics.ndcg
        # All variables are there, so the optimiser's can be made before the step is traced.
        self.built = True

    @property
    def held_out_metrics(self) -> tuple[str, ...]:
        """Names of the metrics that `evaluate` takes, and `fit` of its validation rows alone."""
        return self.question_metrics.names

    def compile(
        self, optimizer: Any = "adam", jit_compile: bool | str = False, **kwargs: Any
    ) -> None:
        """Configures training.

        Args:
            optimizer: A Keras optimiser or its name.
            jit_compile: Whether XLA compiles the steps. Keras's "auto" would have it do so on a
                GPU, and it compiles no loss whose number of questions only the batch tells.
            **kwargs: Other arguments of `keras.Model.compile`, but for losses and metrics, which
                the model has.

        Raises:
            ValueError: If a loss or metric is given.
        """
        check_compiled(
            kwargs,
            "the model's questions give loss and metrics. `config.loss` and `config.loss_options` "
            "name the loss.",
        )
        super().compile(optimizer, jit_compile=jit_compile, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model."""
        # Models of before were saved with losses and metrics that nothing had read.
        config = {name: each for name, each in config.items() if name not in OF_LOSSES}
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """Computes the mean loss of all questions; called by `fit` and `evaluate`."""
        asked = tf.where(tf.not_equal(y, PADDING_INDEX))
        loss = self.retrieval_loss(
            tf.gather_nd(y_pred, asked),
            self._known(tf.gather_nd(y, asked)),
            self.item_table,
            question_weights(sample_weight, asked),
            training=training,
        )
        return loss + sum(self.losses)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Returns what a step of training measures: the loss, and no rank; called by `fit`."""
        values = super().compute_metrics(x, y, y_pred, sample_weight)
        return {name: each for name, each in values.items() if name not in self.held_out_metrics}

    def test_step(self, data: Any) -> Any:
        """Measures loss and ranks of the questions of a batch."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        x, seen = without_seen(x)
        states = self(x, training=False)
        loss = self.compute_loss(x, y, states, sample_weight, training=False)
        asked = tf.where(tf.not_equal(y, PADDING_INDEX))
        items, weights = tf.gather_nd(y, asked), question_weights(sample_weight, asked)
        # The loss is a mean over these; rows without a question are none of them.
        is_known = self._known(items) >= NUM_RESERVED_INDICES
        num_averaged = tf.reduce_sum(tf.where(is_known, weights, 0.0))
        self._loss_tracker.update_state(loss, sample_weight=num_averaged)
        states = tf.cast(tf.gather_nd(states, asked), tf.float32)
        scores = tf.matmul(states, self._all_vectors(), transpose_b=True)
        seen = tf.gather(seen, asked[:, 0])
        self.question_metrics.update(scores, items, seen, weights)
        return self.get_metrics_result()

    def set_weights(self, weights: list[Array]) -> None:
        """Sets the weights; what the loss has kept of others is of no use any more."""
        super().set_weights(weights)
        self.retrieval_loss.forget()

    def load_own_variables(self, store: Any) -> None:
        """Loads the variables, as `set_weights` does."""
        super().load_own_variables(store)
        self.retrieval_loss.forget()
