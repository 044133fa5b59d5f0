"""One optimiser for the tables of a model and another for its dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from recsys_tf.optimizers.clipping import clipped_by_global_norm
from recsys_tf.optimizers.row_wise import summed_by_row
from recsys_tf.types import Tensor

_OWN = ("clipnorm", "clipvalue", "global_clipnorm")


@keras.saving.register_keras_serializable(package="recsys_tf")
class TableOptimizer(keras.optimizers.Optimizer):
    """Steps the tables of a model by one optimiser and all its other variables by another.

    A table is a variable with the mark `is_table`, which `EmbeddingTable` sets, or one whose path
    holds a name of `table_names`. Each optimiser keeps its own learning rate or schedule, its slots
    and its steps; callbacks that read or set `learning_rate` mean that of the dense layers, the
    other is `optimizer.tables.learning_rate`.

    The slices of a row are summed by an operation that XLA has not, so that a model is compiled
    with `jit_compile=False`: Keras's own choice on a GPU is XLA.

    Args:
        tables: The tables' optimiser, such as `RowWiseAdagrad(0.1)`, or its name in Keras.
        dense: That of all other variables.
        global_clipnorm: Largest joint norm of all gradients together. The slices of a table's row
            are summed before. The two optimisers must then not clip by themselves.
        table_names: Parts of paths, for tables of other layers.
        name: Name of the optimiser.

    Raises:
        ValueError: If both clip, or a part scales losses.

    Example:
        >>> from recsys_tf.optimizers import FusedAdam, RowWiseAdagrad
        >>> model = keras.Sequential([keras.layers.Embedding(9, 2), keras.layers.Dense(1)])
        >>> model.compile(
        ...     TableOptimizer(RowWiseAdagrad(0.1), FusedAdam(1e-3), table_names=["embeddings"]),
        ...     "mse",
        ...     jit_compile=False,
        ... )

    Source: Cheng et al., 2016, "Wide & Deep Learning for Recommender Systems",
        https://doi.org/10.1145/2988450.2988454, section 3.3: FTRL for the wide part, Adagrad for
        the deep one.
    """

    def __init__(
        self,
        tables: Any,
        dense: Any,
        global_clipnorm: float | None = None,
        table_names: Sequence[str] = (),
        name: str = "table_optimizer",
    ) -> None:
        # The rate is not read: `learning_rate` is the dense optimiser's.
        super().__init__(learning_rate=0.0, global_clipnorm=global_clipnorm, name=name)
        self.tables = keras.optimizers.get(tables)
        self.dense = keras.optimizers.get(dense)
        self.table_names = tuple(table_names)
        for part, each in (("tables", self.tables), ("dense", self.dense)):
            clips = [argument for argument in _OWN if getattr(each, argument, None)]
            if global_clipnorm and clips:
                raise ValueError(
                    f"`{part}` must not clip by itself beside `global_clipnorm`, received "
                    f"`{clips[0]}={getattr(each, clips[0])}`. Leave one of them out."
                )
            is_scaled = isinstance(each, keras.optimizers.LossScaleOptimizer)
            if is_scaled or each.loss_scale_factor is not None:
                raise ValueError(
                    f"`{part}` must not scale losses, received {type(each).__name__} with a loss "
                    "scale: each part sees gradients of the one loss. Put the LossScaleOptimizer "
                    "round the TableOptimizer."
                )

    def build(self: Any, variables: Sequence[keras.Variable]) -> None:
        """Makes the slots of both optimisers."""
        if self.built:
            return
        super().build(variables)
        for part, optimizer in self._parts():
            optimizer.build([each for each in variables if self.is_table(each) == part])

    def is_table(self, variable: Any) -> bool:
        """Tells whether a variable is stepped by the tables' optimiser."""
        path = getattr(variable, "path", "")
        return bool(getattr(variable, "is_table", False)) or any(
            name in path for name in self.table_names
        )

    def apply(self: Any, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """Updates all variables by one step."""
        if trainable_variables is None:
            trainable_variables = self._trainable_variables
        variables = list(trainable_variables)
        if not self.built:
            self.build(variables)
        grads = [summed_by_row(each) for each in grads]
        if self.global_clipnorm:
            grads = clipped_by_global_norm(grads, self.global_clipnorm)
        pairs = list(zip(grads, variables, strict=True))
        for part, optimizer in self._parts():
            mine = [pair for pair in pairs if self.is_table(pair[1]) == part]
            if any(gradient is not None for gradient, _ in mine):
                optimizer.apply(*map(list, zip(*mine, strict=True)))
            else:
                # Keras refuses a step without any gradient; its count goes on with the other's.
                optimizer._iterations.assign_add(1)
        self._iterations.assign_add(1)

    @property
    def variables(self: Any) -> list[keras.Variable]:
        """The state: this optimiser's own count, and that of its parts."""
        return [*self._variables, *self.tables.variables, *self.dense.variables]

    @property
    def learning_rate(self) -> Tensor:
        """The dense layers' learning rate."""
        return self.dense.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        self.dense.learning_rate = learning_rate

    def finalize_variable_values(self, var_list: Sequence[keras.Variable]) -> None:
        """Ends training, as Keras asks of optimisers that average weights."""
        for part, optimizer in self._parts():
            optimizer.finalize_variable_values(
                [each for each in var_list if self.is_table(each) == part]
            )

    def save_own_variables(self: Any, store: Any) -> None:
        """Saves the own state; Keras saves the parts after it."""
        for number, variable in enumerate(self._variables):
            store[str(number)] = variable.numpy()

    def load_own_variables(self: Any, store: Any) -> None:
        """Loads the own state; Keras loads the parts after it."""
        for number, variable in enumerate(self._variables):
            variable.assign(store[str(number)])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "tables": keras.saving.serialize_keras_object(self.tables),
            "dense": keras.saving.serialize_keras_object(self.dense),
            "global_clipnorm": self.global_clipnorm,
            "table_names": list(self.table_names),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> TableOptimizer:
        """Makes the optimiser again from `get_config`'s values."""
        parts = {
            part: keras.saving.deserialize_keras_object(config[part], custom_objects)
            for part in ("tables", "dense")
        }
        return cls(**{**config, **parts})

    def _parts(self) -> tuple[tuple[bool, Any], tuple[bool, Any]]:
        return (True, self.tables), (False, self.dense)
