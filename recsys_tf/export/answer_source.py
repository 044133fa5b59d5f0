"""What answers take of one trained model."""

from __future__ import annotations

import tensorflow as tf

from recsys_tf.export.answer_score import answer_tasks
from recsys_tf.export.raw_spec import raw_specs
from recsys_tf.export.untracked import Untracked
from recsys_tf.features import Examples, Preprocessor, transform_catalogue
from recsys_tf.models import Recommender, predict_all
from recsys_tf.models.trunk import TRUNK_PARTS, trunk_inputs
from recsys_tf.retrieval import CandidateIndex
from recsys_tf.schema import Schema, TaskSpec
from recsys_tf.types import Tensor, TensorDict


class AnswerSource(tf.Module):
    """A trained model as answers read it: preprocessing, towers, index and trunk.

    The candidates' embeddings and features are computed once, here; a request never runs the
    candidate tower, nor its text encoder, over the catalogue.

    Args:
        model: The trained model.
        preprocessor: The preprocessing that it was trained with.
        catalogue: The items that may be recommended, as `catalogue_examples` makes them.

    Attributes:
        schema: The model's.
        retrieval_name: The retrieval task.
        answer_tasks: Names of the tasks whose scores stand in an answer.
        preprocessor: Makes features of raw values.
        index: The catalogue's vectors.

    Raises:
        ValueError: If the schema has no retrieval task.
    """

    def __init__(self, model: Recommender, preprocessor: Preprocessor, catalogue: Examples) -> None:
        super().__init__(name="answer_source")
        schema: Schema = model.schema
        self.schema = schema
        self.retrieval_name = checked_retrieval(schema).name
        self.answer_tasks = tuple(answer_tasks(schema))
        # See `Untracked`.
        self._held = Untracked(model)
        self._model_variables = [variable.value for variable in model.core.variables]
        self.preprocessor = preprocessor
        columns = transform_catalogue(catalogue, preprocessor, schema)
        of_items = model.candidate_tower.predict(columns, batch_size=1024, verbose=0)
        self.index = CandidateIndex(
            of_items["embedding"], catalogue.columns[schema.item_id].tolist()
        )
        # What the trunk takes of each item, once for all requests.
        self._of_items = {
            part: tf.Variable(of_items[part], trainable=False)
            for part in TRUNK_PARTS
            if part in of_items
        }

    @property
    def _model(self) -> Recommender:
        return self._held.model

    def query(self, features: TensorDict) -> dict[str, Tensor]:
        """Runs the query tower over preprocessed features; `embedding` is its vector `[B, D]`."""
        tower = self._model.query_tower
        return tower({name: features[name] for name in tower.input}, training=False)

    def likeness_vectors(self, rows: Tensor) -> Tensor:
        """Returns the vectors whose directions tell what is alike.

        Args:
            rows: int32 `[B, C]`, rows of the catalogue.

        Returns:
            float32 `[B, C, D]`.
        """
        # Without the item's bias, the last unit: it is the same for everybody.
        return tf.gather(self._of_items["embedding"], rows)[:, :, :-1]

    def predictions(self, query: TensorDict, retrieved: Tensor, rows: Tensor) -> dict[str, Tensor]:
        """Predicts every answer task for each query with each of its candidates.

        Args:
            query: What `query` returns.
            retrieved: float32 `[B, C]`, the candidates' scores by `index`.
            rows: int32 `[B, C]`, the candidates.

        Returns:
            float32 `[B, C]` by task.
        """
        predictions = {self.retrieval_name: retrieved / self._model.retrieval.temperature}
        if not self.schema.ranking_tasks:
            return predictions
        num = tf.shape(rows)[1]
        flat = tf.reshape(rows, [-1])
        of_queries = {name: tf.repeat(values, num, axis=0) for name, values in query.items()}
        of_items = {name: tf.gather(values, flat) for name, values in self._of_items.items()}
        given = trunk_inputs(of_queries, of_items, self._model.config)
        logits = self._model.trunk(given, training=False)
        for name, values in predict_all(self.schema.ranking_tasks, logits).items():
            if name in self.answer_tasks:
                predictions[name] = tf.reshape(values, tf.shape(rows))
        return predictions

    def rank(self, features: TensorDict) -> dict[str, Tensor]:
        """Predicts every task, float32 `[B]`, of pairs whose both sides are preprocessed."""
        tasks = (self.schema.task(self.retrieval_name), *self.schema.ranking_tasks)
        return predict_all(tasks, self._model(features, training=False))

    def scenario(self, features: TensorDict) -> Tensor | None:
        """Returns the scenario's index of each row `[B]`; None where the schema has none."""
        scenario = self.schema.scenario
        return None if scenario is None else features[scenario.feature]

    def history(self, raw: TensorDict) -> Tensor:
        """Returns the history's ids of each row, string `[B, L]`; `L` is 0 where there is none."""
        history = self.schema.history
        if history is None or history.name not in raw:
            return tf.fill([tf.shape(raw[self.schema.user_id])[0], 0], "")
        met = raw[history.name]
        return met.to_tensor("") if isinstance(met, tf.RaggedTensor) else met

    def raw_specs(self, *, has_items: bool) -> dict[str, tf.TensorSpec]:
        """Returns the raw inputs' shapes and dtypes by name.

        Args:
            has_items: Whether the item's features are inputs as well.
        """
        return raw_specs(self.schema.features if has_items else self.schema.query_features)


def checked_retrieval(schema: Schema) -> TaskSpec:
    """Returns the task that finds candidates.

    Raises:
        ValueError: If there is none.
    """
    if schema.retrieval_task is None:
        raise ValueError(
            "`model` must have a retrieval task to recommend from the catalogue; add a task "
            "of kind 'retrieval' to the schema."
        )
    return schema.retrieval_task
