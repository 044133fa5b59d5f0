"""The retrieval task's loss."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from recsys_tf.config.fields import BlockOptions, Positive
from recsys_tf.spec import Spec

_IN_BATCH = "in_batch"


class RetrievalConfig(Spec):
    """The retrieval task's loss.

    Attributes:
        loss: `in_batch`, the softmax over the items of the batch, or another name out of
            `recsys_tf.tasks.RETRIEVAL_LOSSES`: a loss over the whole catalogue, whose items the
            candidate tower then reads in every step, all of them for `full_softmax`, those that
            are drawn for the others. Rows whose item is unknown teach those nothing.
        loss_options: Further arguments of the loss by name, such as `{"num_negatives": 256}`;
            `in_batch` has none.
        temperature: Logits are divided by it.
        popularity_correction: Factor of log(sampling probability) taken from each in-batch
            candidate's logit: 1 is the full correction of Yi et al. (RecSys 2019), 0 is none.
            Above 1, popular items are less often negatives than in the whole softmax; 1.3 was
            best on MovieLens. A loss over the catalogue draws no batch; from its logits, the
            factor less 1 is taken, so that both mean the same by one factor.
        is_normalized: Whether both towers' outputs are scaled to length 1.
    """

    loss: str = _IN_BATCH
    loss_options: BlockOptions = {}
    temperature: Positive = 1.0
    popularity_correction: Annotated[float, Field(ge=0, le=2)] = 1.0
    is_normalized: bool = False

    @property
    def is_over_catalogue(self) -> bool:
        """Whether the loss takes negatives from the whole catalogue, whose features it reads."""
        return self.loss != _IN_BATCH
