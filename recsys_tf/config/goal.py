"""What the weights of an answer's score are learned for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recsys_tf.config.fields import PositiveInt
from recsys_tf.spec import Spec


class AnswerGoal(Spec):
    """Whose successes an answer puts first, and what it keeps of the others'.

    Attributes:
        task: The task whose NDCG@K is maximised among the candidates of the validation users; with
            the fusion `stacking`, the one whose label is foretold.
        k: Cut-off `K`, also of the floors; `stacking`, which learns of rows, does not read it.
        floors: Least NDCG@K by other tasks: the order of purchases with a floor on clicks.
    """

    task: str
    k: PositiveInt = 10
    floors: dict[str, Annotated[float, Field(ge=0, le=1)]] = {}
