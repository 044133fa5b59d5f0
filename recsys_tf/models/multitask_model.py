"""What every model of several tasks does: one loss a task, joined by a weighting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

import recsys_tf.optimizers  # noqa: F401  Saved models name them.
from recsys_tf.config import ModelConfig
from recsys_tf.losses import present_labels
from recsys_tf.models.batches import (
    check_compiled,
    checked_features,
    checked_labels,
    complete_weights,
)
from recsys_tf.models.block_options import check_blocks
from recsys_tf.models.chains import chain_penalties, check_chain
from recsys_tf.models.gradient_step import (
    take_gradient_step,
    take_loss_step,
    variable_groups,
    without_loss_scale,
)
from recsys_tf.models.metrics import TaskMetrics
from recsys_tf.models.predictions import predict_all
from recsys_tf.models.row_numbers import encoder_rows
from recsys_tf.models.task_steps import with_steps
from recsys_tf.models.text_backbones import backbone_configs
from recsys_tf.schema import FeaturesAndTasks
from recsys_tf.tasks import RankingTask
from recsys_tf.types import Tensor, TensorDict
from recsys_tf.weighting import FixedWeighting, GradientWeighting, Weighting, make_weighting


class MultitaskModel(keras.Model):
    """A Keras model over the tasks of a schema, whose loss is made of theirs.

    `model(features)` gives the tasks' logits; `model.predict` gives predictions in the tasks' own
    units. `compile` needs an optimiser, and a weighting where the tasks' losses are not to be
    summed by the factors of the schema; `fit` reports each task's loss and metrics, means over the
    rows with its label. The reported `loss` is what the steps lowered, the mean of the batches'
    joined losses by their rows, and for gradient weightings the sum of the losses by their factors.
    That sum is what `evaluate` reports as `loss` and `fit` as `val_loss`, whatever the weighting,
    so that epochs can be compared. It is the sum of the tasks' reported losses by their factors
    only where each batch has as many labels of a task as the others.

    Args:
        schema: Features and tasks.
        num_indices: Rows of each feature's embedding table, as `FeatureState.num_indices` tells.
        config: Sizes, blocks and chain; None takes the defaults.
        initial_biases: Where the heads start, by task.
        **kwargs: Arguments of `keras.Model`. `dtype` is that of all layers but those that say why
            they need another.

    Raises:
        ValueError: If the configuration names an unknown block or option, or has a chain, or
            calibrates one, and no task comes after another.
    """

    core: keras.Model
    """Features -> logits by task, and whatever else a loss needs."""

    def __init__(
        self,
        schema: FeaturesAndTasks,
        num_indices: Mapping[str, int],
        config: ModelConfig | None = None,
        initial_biases: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        # Half precision is the layers': cast here, every feature of floats would be rounded first.
        super().__init__(autocast=False, **kwargs)
        self.schema = schema
        self.num_indices = dict(num_indices)
        self.config = config or ModelConfig()
        check_blocks(self.config)
        self.config = with_steps(self.config, schema)
        self.initial_biases = dict(initial_biases or {})
        check_chain(schema, self.config)
        self.ranking_tasks = {
            task.name: RankingTask(task.kind) for task in schema.tasks if task.kind != "retrieval"
        }
        self.task_metrics = TaskMetrics(schema.tasks)
        self.jit_compile = False  # Of a model that is not compiled; see `compile`.
        # In a list, which Keras lets go of a layer again; an attribute's layers it keeps for good.
        self._weightings: list[Weighting] = [FixedWeighting(self.loss_weights)]

    @property
    def weighting(self) -> Weighting:
        """How the tasks' losses or gradients are joined; `compile` sets it."""
        return self._weightings[0]

    @property
    def loss_weights(self) -> dict[str, float]:
        """The schema's factor of each task's loss."""
        return {task.name: task.loss_weight for task in self.schema.tasks}

    @property
    def shared_variables(self) -> list[keras.Variable]:
        """The trainable variables that tasks have in common, wholly or in part: all but the heads'.

        A block's batched experts and gates, and tables, may hold private parts of single tasks; the
        gradients tell which, see `recsys_tf.models.task_rows`.
        """
        return variable_groups(self.core)[0]

    @property
    def own_variables(self) -> list[keras.Variable]:
        """The heads' trainable variables; only its task and those after it reach a head.

        A task's own bilinear matrix counts as part of its head.
        """
        return variable_groups(self.core)[1]

    @property
    def id_variables(self) -> dict[str, list[keras.Variable]]:
        """By the name of an id, everything learned that has a row for each of its indices.

        Not what many ids share, as with `id_tables`. `grow_tables` numbers the rows anew by it.
        """
        return encoder_rows(self.core, self.schema)

    def compile(
        self,
        optimizer: Any = "adam",
        weighting: str | Weighting = "fixed",
        jit_compile: bool | str = False,
        **kwargs: Any,
    ) -> None:
        """Configures training.

        Args:
            optimizer: A Keras optimiser or its name.
            weighting: How the tasks' losses, or their gradients, are joined: a name out of
                `recsys_tf.weighting.WEIGHTINGS`, or an object of it over all tasks of the schema.
                A name takes the schema's factors.
            jit_compile: Whether XLA compiles the steps. Keras's "auto" would have it do so on a
                GPU, and it has no kernels for the softmax over the batch. A weighting of
                gradients goes without it.
            **kwargs: Other arguments of `keras.Model.compile`, but for losses and metrics, which
                the tasks give.

        Raises:
            ValueError: If the name is unknown, the weighting is of other tasks, a loss or metric
                is given, or the optimiser scales losses and the weighting is one of gradients.
        """
        check_compiled(
            kwargs,
            "the schema's tasks give losses and metrics. `weighting` says how the losses are "
            "joined.",
        )
        if isinstance(weighting, str):
            weighting = make_weighting(weighting, self.loss_weights)
        if set(weighting.task_names) != set(self.loss_weights):
            raise ValueError(
                f"`weighting` must be over the tasks {', '.join(map(repr, self.loss_weights))}, "
                f"received one over {', '.join(map(repr, weighting.task_names))}."
            )
        if isinstance(weighting, GradientWeighting):
            optimizer = without_loss_scale(optimizer)
            weighting.build(len(self.shared_variables))
            # XLA cannot join the indices of tables' sparse gradients.
            jit_compile = False
            kwargs |= {"auto_scale_loss": False}
        self._weightings.clear()
        self._weightings.append(weighting)
        super().compile(optimizer, jit_compile=jit_compile, **kwargs)

    def get_compile_config(self) -> dict[str, Any]:
        """Returns `compile`'s arguments, for a saved model."""
        config = super().get_compile_config()
        if not config:
            return {}
        weighting = keras.saving.serialize_keras_object(self.weighting)
        names = ("optimizer", "run_eagerly", "steps_per_execution", "jit_compile")
        return {**{name: config[name] for name in names if name in config}, "weighting": weighting}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model as it was compiled."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def build(self, inputs_shape: Any = None) -> None:
        """Does nothing: the core is built with the model."""

    def call(self, inputs: TensorDict, training: bool = False) -> dict[str, Tensor]:
        """Computes everything the losses need.

        Args:
            inputs: Transformed features by name, as the datasets yield them.
            training: Whether dropout is on.

        Returns:
            The core's outputs, the logits by task among them.
        """
        return self.core(checked_features(inputs, self.core.input), training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """Joins the tasks' losses and the regularisers; called by `fit` and `evaluate`.

        While training they are joined as the weighting says, else by its factors alone.
        """
        labels = checked_labels(y, self.schema.tasks)
        weights = complete_weights(labels, sample_weight)
        losses = self.task_losses(x, labels, y_pred, weights, training=training)
        self.task_metrics.update_losses(losses, self.label_weights(x, labels, weights))
        if not training:
            # Weights that move would make the epochs' values incomparable.
            return self.weighting.weighted_sum(losses) + sum(self.losses)
        return self.weighting(losses, training=True) + sum(self.losses)

    def train_step(self, data: Any) -> Any:
        """Takes one step; a gradient weighting gets each task's gradient by itself.

        No variable becomes NaN by a task's loss that is: see `take_loss_step` and
        `combined_gradients`.
        """
        if isinstance(self.weighting, GradientWeighting):
            return take_gradient_step(self, data)
        return take_loss_step(self, data)

    def task_losses(
        self,
        features: TensorDict,
        labels: TensorDict,
        outputs: TensorDict,
        weights: TensorDict,
        training: bool = False,
    ) -> dict[str, Tensor]:
        """Computes each task's mean loss over the rows that have its label.

        A task that comes after another gets what `chain_penalties` gives besides.

        Args:
            features: What `call` was given.
            labels: By task; see `make_dataset`.
            outputs: What `call` returned.
            weights: float `[B]` by task.
            training: Whether dropout is on in what a loss computes itself.

        Returns:
            A float32 scalar by task.
        """
        losses = {
            name: task.loss(labels[name], outputs[name], weights[name])
            for name, task in self.ranking_tasks.items()
        }
        penalties = chain_penalties(self.schema.parents, self.config, labels, outputs, weights)
        return losses | {name: losses[name] + each for name, each in penalties.items()}

    def label_weights(
        self, features: TensorDict, labels: TensorDict, weights: TensorDict
    ) -> dict[str, Tensor]:
        """Sums by task the weights of the rows that its loss is a mean over.

        Args:
            features: As of `task_losses`.
            labels: As of `task_losses`.
            weights: As of `task_losses`.

        Returns:
            A float32 scalar by task; 0 where no row has a label.
        """
        present = {name: present_labels(labels[name])[1] for name in self.ranking_tasks}
        return {
            name: ops.sum(ops.cast(weights[name], "float32") * each)
            for name, each in present.items()
        }

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Updates every task's metrics; called by `fit` and `evaluate`."""
        labels = checked_labels(y, self.schema.tasks)
        self.task_metrics.update(labels, y_pred, complete_weights(labels, sample_weight))
        return self.get_metrics_result()

    def predict_step(self, data: Any) -> dict[str, Tensor]:
        """Computes what `predict` returns: every task in its own units."""
        features = data[0] if isinstance(data, tuple) else data
        return predict_all(self.schema.tasks, self(features, training=False))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as plain values."""
        config = {
            "schema": self.schema.to_dict(),
            "num_indices": self.num_indices,
            "config": self.config.to_dict(),
            "initial_biases": self.initial_biases,
        }
        if self.config.text.preset is not None:
            # Without a preset the configuration's sizes tell the backbones' shapes.
            config["text_backbones"] = backbone_configs(self.core, self.schema)
        return {**super().get_config(), **config}
