"""PPNet: the tasks' towers, their units scaled by who, what and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from recsys_tf.layers import Experts
from recsys_tf.layers.scenario_index import scenario_rows
from recsys_tf.layers.shapes import check_rank, check_width
from recsys_tf.multiscenario.gate_unit import GateUnit
from recsys_tf.multiscenario.task_towers import TaskTowers
from recsys_tf.types import Tensor


@keras.saving.register_keras_serializable(package="recsys_tf")
class PersonalTowers(TaskTowers):
    """Scales each task's units by scenario and prior: `h_tl = g_tl * relu(h_t,l-1 W_tl + b_tl)`.

    `h_t0` is what the multi-task block gave the task, and for each layer `l` one gate unit makes
    the factors of all tasks, `[g_1l, ..., g_Tl] = 2 sigmoid(relu([p, stop(x)] V + c) V' + c')`, see
    `GateUnit`: the same scenario may so mute a unit of one task and amplify one of another. The
    prior `p = [e_s, p_0]` joins the scenario's embedding, zeros without a known scenario, and the
    vectors `p_0` of features that tell who and what, of the user's and the item's id say; `x` is
    what the multi-task block read. Gates start at 1, so that the towers start as plain dense
    layers. It costs one gate a layer, whatever the number of scenarios.

    Args:
        task_names: Names of the tasks.
        num_scenarios: Rows `S` of the scenario's table, at least 3.
        hidden_dims: Width of each layer of a tower, and of its gate's inner layer; at least one.
        dropout: Share of the units that is dropped while training.
        embedding_dim: Width of the scenario's embedding.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: If there is no task or width, a size is too small, `dropout` not from 0 to
            below 1, or an input of other tasks, of another rank or of unequal widths.
        TypeError: If `inputs` are no floats or `scenario` no integers.

    Example:
        >>> import numpy as np
        >>> towers, x = PersonalTowers(["click", "buy"], 4, (8,)), np.ones([2, 5], "float32")
        >>> outputs = towers({"click": x, "buy": x}, x, np.array([1, 2]))
        >>> sorted(outputs), outputs["buy"].shape == (2, 8)
        (['buy', 'click'], True)

    Source: Chang et al., 2023, "PEPNet: Parameter and Embedding Personalized Network for Infusing
        with Personalized Prior Information", https://arxiv.org/abs/2302.01115, PPNet. There `x` is
        what EPNet gave and what the towers read themselves; here the tasks' block stands between
        the two. Its prior is the ids of user, item and author, the scenario reaching the gates
        through `x`: here it is part of the prior too.
    """

    reads_prior = True

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
        num_tasks, policy = len(self.task_names), self.dtype_policy
        self.steps = [
            Experts(num_tasks, (width,), dropout=dropout, dtype=policy, name=f"layer_{index}")
            for index, width in enumerate(self.hidden_dims)
        ]
        self.gates = [
            GateUnit(num_tasks * width, width, dtype=policy, name=f"gate_{index}")
            for index, width in enumerate(self.hidden_dims)
        ]

    def build(
        self,
        of_tasks_shape: Mapping[str, tuple[int | None, ...]],
        inputs_shape: tuple[int | None, ...],
        scenario_shape: tuple[int | None, ...],
        prior_shape: tuple[int | None, ...] | None = None,
    ) -> None:
        """Builds layers and gates for inputs of known widths."""
        width, shared = self.check_shapes(of_tasks_shape, inputs_shape, scenario_shape)
        prior_dim = self.embedding_dim
        if prior_shape is not None:
            check_rank("prior", prior_shape, 2)
            prior_dim += check_width("prior", prior_shape)
        self.embedding = self.add_embedding(self.embedding_dim)
        for step, gate, units in zip(self.steps, self.gates, self.hidden_dims, strict=True):
            step.build((None, len(self.task_names), width))
            gate.build((None, prior_dim), (None, shared))
            width = units

    def call(
        self,
        of_tasks: Mapping[str, Tensor],
        inputs: Tensor,
        scenario: Tensor,
        prior: Tensor | None = None,
        training: bool = False,
    ) -> dict[str, Tensor]:
        """Applies each task's layers and scales what they give.

        Args:
            of_tasks: Float `[B, H]` by the name of the task.
            inputs: Float `[B, D]`, what the multi-task block read; no gradient goes through it.
            scenario: Int `[B]`: 0 missing, 1 unknown, known ones from 2 on; any other counts as
                unknown.
            prior: Float `[B, P]`, vectors that tell who and what; None for the scenario alone.
            training: Whether units are dropped.

        Returns:
            Float `[B, H']` by the name of the task.
        """
        known = scenario_rows(self.one_hot(inputs, scenario), self.embedding)
        if prior is not None:
            known = ops.concatenate([known, prior], axis=1)
        hidden = self.stacked(of_tasks)
        for step, gate, units in zip(self.steps, self.gates, self.hidden_dims, strict=True):
            factors = ops.reshape(gate(known, inputs), (-1, len(self.task_names), units))
            hidden = factors * step(hidden, training=training)
        return self.by_task(hidden)
