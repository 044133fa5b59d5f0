"""The recommender: two towers, a shared trunk, one head a task, one weighted loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from recsys_tf.config import ModelConfig, RetrievalConfig
from recsys_tf.models.bilinear_logits import is_bilinear_alone
from recsys_tf.models.block_options import check_blocks
from recsys_tf.models.catalogue_features import CatalogueFeatures
from recsys_tf.models.core import build_core
from recsys_tf.models.dtypes import layers_of_dtype
from recsys_tf.models.item_shares import item_shares
from recsys_tf.models.multitask_model import MultitaskModel
from recsys_tf.models.task_steps import with_steps
from recsys_tf.models.text_backbones import make_backbones
from recsys_tf.models.tower_table import TowerTable
from recsys_tf.models.towers import InputShape, input_shapes
from recsys_tf.schema import Schema
from recsys_tf.tasks import RetrievalLoss, RetrievalTask, make_retrieval_loss
from recsys_tf.types import (
    NUM_RESERVED_INDICES,
    Array,
    FloatArray,
    Tensor,
    TensorDict,
)


@keras.saving.register_keras_serializable(package="recsys_tf")
class Recommender(MultitaskModel):
    """Learns all tasks of a schema together, over one pair of towers.

    The query tower reads the user and the context, the candidate tower the item. Their dot
    product ranks the catalogue; a shared trunk over both towers' features feeds a multi-task
    block and one head a task. The loss is `sum_t w_t loss_t`, each with what the chain of the
    configuration adds to it.

    `model(features)` gives the towers' outputs and the tasks' logits; `model.predict` gives
    predictions in the tasks' own units. `compile` needs an optimiser only; `fit` reports each
    task's loss and metrics.

    Args:
        schema: Features and tasks.
        num_indices: Rows of each feature's embedding table, as `FeatureState.num_indices` tells.
        config: Sizes and blocks.
        retrieval: The retrieval task's loss.
        initial_biases: Where the heads start, by task; the mean rating, say.
        catalogue: The items' features, see `set_catalogue`. Needed where `retrieval.loss` is one
            over the whole catalogue and an item has more features than its id.
        text_backbones: By the name of a text, its transformer, in place of what
            `config.text.preset` holds: so a saved model is made again where that is gone.
        history_content: float `[N + 2, F]`, what `config.history_features` say of each item by its
            index, as `recsys_tf.preparation.history_content` makes it; needed exactly there.
        **kwargs: Arguments of `keras.Model`; `dtype` is that of the layers.

    Raises:
        ValueError: If the configuration names an unknown block or a chain of no tasks,
            `num_indices` lacks a feature, or a needed `catalogue` is missing.
    """

    schema: Schema

    def __init__(
        self,
        schema: Schema,
        num_indices: Mapping[str, int],
        config: ModelConfig | None = None,
        retrieval: RetrievalConfig | None = None,
        *,
        initial_biases: Mapping[str, float] | None = None,
        catalogue: Mapping[str, Array] | None = None,
        text_backbones: Mapping[str, keras.Model] | None = None,
        history_content: FloatArray | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(schema, num_indices, config, initial_biases, **kwargs)
        self.retrieval = retrieval or RetrievalConfig()
        check_blocks(self.config, retrieval=self.retrieval)
        with layers_of_dtype(self.dtype_policy):
            self.core = build_core(
                schema,
                self.num_indices,
                self.config,
                self.retrieval,
                self.initial_biases,
                text_backbones or {},
                history_content,
            )
        self._content_dim = None if history_content is None else np.shape(history_content)[1]
        # Share of the training rows that hold each item; even until `set_item_counts`.
        self.item_probability = self.add_weight(
            name="item_probability",
            shape=(self.num_indices[schema.item_id],),
            initializer=keras.initializers.Constant(1 / self.num_indices[schema.item_id]),
            trainable=False,
            dtype="float32",
        )
        # Counted of this model's own rows: `grow_tables` leaves it.
        self.item_probability.is_given = True
        self.retrieval_task = RetrievalTask(
            self.retrieval.temperature, self.retrieval.popularity_correction
        )
        self.retrieval_loss: RetrievalLoss | None = None
        self.catalogue: CatalogueFeatures | None = None
        if self.retrieval.is_over_catalogue and schema.retrieval_task is not None:
            self._read_catalogue(catalogue)
        # All variables are there, so the optimiser's can be made before the step is traced.
        self.built = True

    @property
    def query_tower(self) -> keras.Model:
        """User and context features -> `{"embedding": [B, D], "features": [B, H], ...}`."""
        return self.core.get_layer("query_tower")

    @property
    def candidate_tower(self) -> keras.Model:
        """Item features -> `{"embedding": [B, D], "features": [B, H], ...}`."""
        return self.core.get_layer("candidate_tower")

    @property
    def trunk(self) -> keras.Model:
        """Both towers' outputs -> each ranking task's logits."""
        return self.core.get_layer("trunk")

    @property
    def id_variables(self) -> dict[str, list[keras.Variable]]:
        """Adds what the towers have of the user's and the item's id to what the encoders have."""
        found = super().id_variables
        sides = (self.schema.user_id, self.query_tower), (self.schema.item_id, self.candidate_tower)
        for name, tower in sides:
            layers = {each.name: each for each in tower.layers}
            tables = [layers["label_bias"]] if "label_bias" in layers else []
            tables += [layers["item_bias"].bias] if "item_bias" in layers else []
            found[name] = [*found.get(name, []), *(each.embeddings for each in tables)]
        return found

    def set_item_counts(
        self, counts: Array, weights: Array | None = None, num_unknown: int = 1
    ) -> None:
        """Tells how often each item stands in the training rows.

        The counts correct the in-batch softmax. The logarithm of each item's share of the rows'
        weights is where its bias starts, so that training begins with popularity, not with chance.

        Args:
            counts: `[N + 2]`, rows by item index.
            weights: float `[N + 2]`, the sum of the rows' weights by item index where rows weigh
                differently, in any unit; None takes the counts.
            num_unknown: Different items that the rows of the unknown item are of, 1 or more. Each
                of them, and each new one, is as popular as they are on average, not as all of
                them together.

        Raises:
            ValueError: If a length is another, a count or weight is below 0 or not finite, or
                `num_unknown` is below 1.
        """
        size = self.item_probability.shape[0]
        shares, popularity = item_shares(counts, weights, num_unknown, size)
        self.item_probability.assign(shares)
        self.candidate_tower.get_layer("item_bias").start_at(
            np.log(popularity) * self.retrieval.temperature
        )

    def set_catalogue(self, columns: Mapping[str, Array]) -> None:
        """Tells the items' features to a loss over the whole catalogue.

        They are saved with the weights, and `grow_tables` into this model leaves them. Set them
        again where the catalogue has changed.

        Args:
            columns: What `transform_catalogue` returns: `[C, ...]` by feature, a row an item.

        Raises:
            ValueError: If the loss reads no catalogue, a feature is missing or of another shape,
                or an item's index is out of range or stands twice.
        """
        if self.catalogue is None:
            raise ValueError(
                f"`set_catalogue` has no meaning where `retrieval.loss` is {self.retrieval.loss!r}."
            )
        self.catalogue.set_columns(columns)

    def _read_catalogue(self, columns: Mapping[str, Array] | None) -> None:
        schema, retrieval = self.schema, self.retrieval
        num_items = self.num_indices[schema.item_id]
        self.catalogue = CatalogueFeatures(
            num_items, schema.item_id, _item_inputs(schema), name="catalogue"
        )
        if columns is not None:
            self.set_catalogue(columns)
        elif self.catalogue.columns:
            raise ValueError(
                f"`catalogue` must hold the items' features where `retrieval.loss` is "
                f"{retrieval.loss!r}, received None. Give what `transform_catalogue` returns, as "
                "`build_recommender` does, or take the loss 'in_batch'."
            )
        self.retrieval_loss = make_retrieval_loss(
            retrieval.loss, temperature=retrieval.temperature, **retrieval.loss_options
        )

    def set_label_biases(
        self, side: Literal["query", "candidate"], biases: Mapping[str, FloatArray]
    ) -> None:
        """Sets where each user's or item's own bias in the ranking tasks starts.

        Args:
            side: `query` for users, `candidate` for items.
            biases: By the name of a task of one number, float `[N + 2]`: what is added to its
                logit, by index of the user or item. Tasks that are not named get 0.

        Raises:
            ValueError: If a task is not one of one number, a length is another, or the model is a
                bilinear one alone, which has no such biases.
        """
        is_alone = is_bilinear_alone(self.config)
        tasks = [] if is_alone else [each.name for each in self.schema.single_tasks]
        own = self.schema.user_id if side == "query" else self.schema.item_id
        table = np.zeros((self.num_indices[own], len(tasks)), "float32")
        for name, values in biases.items():
            if name not in tasks or np.shape(values) != table.shape[:1]:
                raise ValueError(
                    f"`biases` must hold {len(table)} numbers for tasks among "
                    f"{', '.join(tasks) or 'none'}, received {name!r} of shape {np.shape(values)}."
                )
            table[:, tasks.index(name)] = values
        if tasks:
            tower = self.query_tower if side == "query" else self.candidate_tower
            tower.get_layer("label_bias").embeddings.assign(table)

    def task_losses(
        self,
        features: TensorDict,
        labels: TensorDict,
        outputs: TensorDict,
        weights: TensorDict,
        training: bool = False,
    ) -> dict[str, Tensor]:
        """Adds the loss of retrieval to those of the other tasks."""
        losses = super().task_losses(features, labels, outputs, weights, training)
        task = self.schema.retrieval_task
        if task is None:
            return losses
        items = features[self.schema.item_id]
        if self.retrieval_loss is not None and self.catalogue is not None:
            losses[task.name] = self.retrieval_loss(
                outputs["query_embedding"],
                items,
                self._table(self.catalogue, training),
                weights[task.name],
                training=training,
            )
        else:
            losses[task.name] = self.retrieval_task.loss(
                outputs["query_embedding"],
                outputs["candidate_embedding"],
                items,
                ops.take(self.item_probability, items),
                weights[task.name],
            )
        return losses

    def label_weights(
        self, features: TensorDict, labels: TensorDict, weights: TensorDict
    ) -> dict[str, Tensor]:
        """Adds what the positives of retrieval weigh to the weights of the other tasks' labels."""
        found = super().label_weights(features, labels, weights)
        task = self.schema.retrieval_task
        if task is None:
            return found
        weight = ops.cast(weights[task.name], "float32")
        if self.retrieval_loss is not None:
            # An unknown item is in no catalogue, and nothing is asked of its row.
            is_known = features[self.schema.item_id] >= NUM_RESERVED_INDICES
            weight = weight * ops.cast(is_known, "float32")
        return {**found, task.name: ops.sum(weight)}

    def _table(self, catalogue: CatalogueFeatures, training: bool) -> TowerTable:
        """The candidate tower as a table whose popular items are negatives as the factor says."""
        factor, offsets = self.retrieval.popularity_correction - 1.0, None
        if factor:
            offsets = -factor * self.retrieval.temperature * ops.log(self.item_probability)
        return TowerTable(self.candidate_tower, catalogue, training, offsets)

    def set_weights(self, weights: list[Array]) -> None:
        """Sets the weights; what the loss has kept of others is of no use any more."""
        super().set_weights(weights)
        if self.retrieval_loss is not None:
            self.retrieval_loss.forget()

    def load_own_variables(self, store: Any) -> None:
        """Loads the variables, as `set_weights` does."""
        super().load_own_variables(store)
        if self.retrieval_loss is not None:
            self.retrieval_loss.forget()

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as plain values."""
        config = {"retrieval": self.retrieval.to_dict(), "content_dim": self._content_dim}
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Recommender:
        """Builds the model from `get_config`'s result."""
        config = dict(config)
        schema = Schema.from_dict(config.pop("schema"))
        config["config"] = with_steps(
            ModelConfig.from_dict(config["config"]), schema, is_loaded=True
        )
        config["retrieval"] = RetrievalConfig.from_dict(config["retrieval"])
        config["text_backbones"] = make_backbones(config.get("text_backbones", {}))
        # The numbers themselves are weights.
        nothing = {name: np.zeros((0, *s), dtype) for name, s, dtype in _item_inputs(schema)}
        width, num_items = config.pop("content_dim", None), config["num_indices"][schema.item_id]
        content = None if width is None else np.zeros((num_items, width), np.float32)
        return cls(schema, catalogue=nothing, history_content=content, **config)


def _item_inputs(schema: Schema) -> list[InputShape]:
    return [inputs for spec in schema.candidate_features for inputs in input_shapes(spec)]
