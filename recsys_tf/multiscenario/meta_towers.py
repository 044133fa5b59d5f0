"""M2M's meta towers: each task's layers, their weights made from the scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from recsys_tf.layers.scenario_index import scenario_vectors
from recsys_tf.multiscenario.meta_unit import MetaUnit
from recsys_tf.multiscenario.task_towers import TaskTowers
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class MetaTowers(TaskTowers):
    """Transforms each task's vector by scenario: `h_l = phi(h_l-1 W_tl(e_s) + b_tl(e_s) + h_l-1)`.

    `h_0` is what the multi-task block gave the task, `phi` the leaky ReLU of slope 0.1. Each task
    has meta units of its own, over one vector `e_s` of the scenario, zeros at first and without a
    known scenario: what two scenarios have in common may so be one thing in a task and another in
    the next. A residual layer has one width throughout. For its cost see `MetaUnit`; it is that of
    `T` units a layer.

    Args:
        task_names: Names of the tasks.
        num_scenarios: Rows `S` of the scenario's table, at least 3.
        hidden_dims: Width of each layer of a tower: that of the tasks' vectors, once a layer.
        dropout: Share of the units that is dropped while training.
        embedding_dim: Width of the scenario's vector.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If there is no task or width, a size is too small, `dropout` not from 0 to
            below 1, a prior is given, or an input of other tasks, of another rank or width.
        TypeError: If `inputs` are no floats or `scenario` no integers.

    Example:
        >>> import numpy as np
        >>> towers, x = MetaTowers(["click", "buy"], 4, (5,)), np.ones([2, 5], "float32")
        >>> outputs = towers({"click": x, "buy": x}, x, np.array([1, 2]))
        >>> sorted(outputs), outputs["buy"].shape == (2, 5)
        (['buy', 'click'], True)

    Source: Zhang et al., 2022, "Leaving No One Behind: A Multi-Scenario Multi-Task Meta Learning
        Approach for Advertiser Modeling", https://arxiv.org/abs/2201.06814, the meta tower.
    """

    keeps_width = True

    def __init__(
        self,
        task_names: Sequence[str],
        num_scenarios: int,
        hidden_dims: Sequence[int],
        dropout: float = 0.0,
        embedding_dim: int = 8,
        **kwargs: Any,
    ) -> None:
        super().__init__(task_names, num_scenarios, hidden_dims, dropout, embedding_dim, **kwargs)
        # One list, the first task's first: Keras saves no layers of lists within lists.
        self.units = [
            MetaUnit(width, dtype=self.dtype_policy, name=f"task_{place}_layer_{index}")
            for place in range(len(self.task_names))
            for index, width in enumerate(self.hidden_dims)
        ]
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(
        self,
        of_tasks_shape: Mapping[str, tuple[int | None, ...]],
        inputs_shape: tuple[int | None, ...],
        scenario_shape: tuple[int | None, ...],
        prior_shape: tuple[int | None, ...] | None = None,
    ) -> None:
        """Builds every task's units for vectors of known width."""
        width, _ = self.check_shapes(of_tasks_shape, inputs_shape, scenario_shape)
        if prior_shape is not None:
            raise ValueError(
                "`prior` must be None: the weights are made once for each scenario and not for "
                f"each row, received shape {tuple(prior_shape)}."
            )
        if set(self.hidden_dims) != {width}:
            raise ValueError(
                f"`hidden_dims` must repeat the width of the tasks' vectors ({width}), to which "
                f"each layer adds, received {list(self.hidden_dims)}."
            )
        self.embedding = self.add_embedding(self.embedding_dim)
        places = self.num_known + 1
        for unit in self.units:
            unit.build((None, width), (places, self.embedding_dim), (None, places))

    def call(
        self,
        of_tasks: Mapping[str, Tensor],
        inputs: Tensor,
        scenario: Tensor,
        prior: None = None,
        training: bool = False,
    ) -> dict[str, Tensor]:
        """Applies each task's layers of the row's scenario.

        Args:
            of_tasks: Float `[B, H]` by the name of the task.
            inputs: Float `[B, D]`, what the multi-task block read; not read again.
            scenario: Int `[B]`: 0 missing, 1 unknown, known ones from 2 on; any other counts as
                unknown.
            prior: None.
            training: Whether units are dropped.

        Returns:
            Float `[B, H]` by the name of the task.
        """
        one_hot, vectors = self.one_hot(inputs, scenario), scenario_vectors(self.embedding)
        outputs, num_layers = {}, len(self.hidden_dims)
        for place, name in enumerate(self.task_names):
            hidden = of_tasks[name]
            for unit in self.units[place * num_layers : (place + 1) * num_layers]:
                hidden = ops.leaky_relu(unit(hidden, vectors, one_hot) + hidden, 0.1)
                hidden = self.dropout_layer(hidden, training=training)
            outputs[name] = hidden
        return outputs
