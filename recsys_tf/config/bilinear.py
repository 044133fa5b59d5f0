"""The bilinear model of two features' vectors."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from recsys_tf.config.fields import Positive, PositiveInt
from recsys_tf.spec import Spec


class BilinearConfig(Spec):
    """Adds `u^T Q v` to the logit of each ranking task of one number, with a `Q` for each.

    `u` and `v` are the features' vectors as their encoders give them, of width `embedding_dim`:
    two texts, ready-made vectors of a language model, or a history and a title. With `is_alone` the
    sum is the whole logit, `u^T Q v + b`: the bilinear model itself, `sigmoid(u^T Q v + b)` of a
    binary task.

    Attributes:
        query_feature: Feature of the user or the context that gives `u`; in a table, any.
        candidate_feature: Feature of the item that gives `v`; in a table, any.
        form: `free`, `low_rank` or `diagonal`: how free `Q` is, see `recsys_tf.layers.Bilinear`.
        rank: Rank of `Q`, at most `embedding_dim`; with the form `low_rank`, and only there.
        initial_scale: `Q` starts as the dot product times it; None for one over the square root
            of the number of units.
        is_alone: Whether the logit is this and the task's bias alone. There is then no trunk, no
            block and no head; a `Ranker` reads the two features only, and the rest of a
            `Recommender` ranks the catalogue and learns auxiliary tasks.
    """

    query_feature: str
    candidate_feature: str
    form: Literal["free", "low_rank", "diagonal"] = "free"
    rank: PositiveInt | None = None
    initial_scale: Positive | None = None
    is_alone: bool = False

    @model_validator(mode="after")
    def _rank_belongs_to_low_rank(self) -> BilinearConfig:
        if (self.form == "low_rank") != (self.rank is not None):
            rule = "be given with" if self.rank is None else "be None but with"
            raise ValueError(
                f"rank: must {rule} the form 'low_rank', received {self.rank} and {self.form!r}"
            )
        return self
