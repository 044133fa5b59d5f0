"""What the commands ask of a run, whatever its model is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from typing_extensions import Self

from recsys_tf.cli.loading import load_prepared

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from recsys_tf.config import RunConfig
    from recsys_tf.datasets import Interactions, LabelledTable
    from recsys_tf.evaluation import Measurements, TableMeasurements
    from recsys_tf.preparation import PreparedData, PreparedTable

HeldOutPart = Literal["validation", "test"]


@dataclass(frozen=True)
class RunKind(ABC):
    """A run with its data: what of `train`, `evaluate`, `profile` and `export` its model decides.

    A kind is one file with a subclass of this, and one line in `kind_of`. What it imports of
    TensorFlow it imports within its methods, so that a wrong option is answered at once.

    Attributes:
        data: The prepared data; `state` is the preprocessing that is kept with the model.
        has_users: Whether the rows are of users, whom baselines and paired tests tell apart.
    """

    has_users: ClassVar[bool] = True
    data: PreparedData | PreparedTable

    @classmethod
    @abstractmethod
    def load(cls, run: RunConfig) -> Self:
        """Reads and splits the data of a run; see `load_prepared` for the errors."""

    @property
    @abstractmethod
    def source(self) -> Interactions | LabelledTable:
        """What was read; a run folder keeps its fingerprint."""

    @staticmethod
    @abstractmethod
    def model_type() -> type[keras.Model]:
        """Returns the class of the model; its import registers what `model.keras` names."""

    @abstractmethod
    def build(self) -> Any:
        """Builds the model with fresh weights; faults that would cost a training are told here."""

    @abstractmethod
    def train_batches(self, model: Any) -> tf.data.Dataset:
        """Makes the batches of the training rows."""

    @abstractmethod
    def validation_batches(self, model: Any) -> tf.data.Dataset:
        """Makes the batches of the validation rows."""

    @abstractmethod
    def num_measured(self, part: HeldOutPart) -> int:
        """Returns how many `measure` is done with in the end: users, or rows of a table."""

    @abstractmethod
    def measure(
        self, model: Any, part: HeldOutPart, on_done: Callable[[int], object]
    ) -> Measurements | TableMeasurements:
        """Measures a trained model on held-out rows.

        Args:
            model: The model.
            part: The rows.
            on_done: Called with their number after each block of those that `num_measured` counts.

        Returns:
            What it made of them.
        """

    @abstractmethod
    def export(self, model: Any, target: Path) -> None:
        """Writes a trained model as a SavedModel into a new folder."""


@dataclass(frozen=True)
class InteractionsKind(RunKind):
    """A run over users, items and events."""

    data: PreparedData

    @classmethod
    def load(cls, run: RunConfig) -> Self:
        """See `RunKind`."""
        return cls(load_prepared(run))

    @property
    def source(self) -> Interactions:
        """See `RunKind`."""
        return self.data.interactions

    def num_measured(self, part: HeldOutPart) -> int:
        """Returns the number of users."""
        events, rows = self.data.interactions.events, self.data.rows(part)
        return events[self.data.schema.user_id].iloc[rows].nunique()
