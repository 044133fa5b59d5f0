"""The retrieval task: which item of the batch did this query meet?"""

from __future__ import annotations

import tensorflow as tf

from recsys_tf.tasks.tfrs import tfrs
from recsys_tf.types import Tensor


class RetrievalTask:
    r"""Computes the mean in-batch softmax cross-entropy, through `tfrs.tasks.Retrieval`.

    With scores `s_ij = q_i . c_j / temperature - a log p_j` the loss is
    `-sum_i w_i log softmax_j(s_ij)[i] / sum_i w_i`: each row's item against the other rows' items.
    `p_j` is the probability that item `j` is drawn into a batch; popular items stand in more
    batches, and with `a = 1` the scores estimate the softmax over the whole catalogue. Another
    row's item that equals this row's item is no negative and is removed.

    TFRS sums over the batch; the mean is taken here, so that the task's weight keeps its meaning
    at another batch size.

    Args:
        temperature: Scores are divided by it, above 0; 1 for free dot products, about 0.05 for
            cosines.
        popularity_correction: The factor `a`, from 0 to 1.

    Source:
        Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
        Recommendations", RecSys 2019, https://doi.org/10.1145/3298689.3346996, equation 3.
    """

    def __init__(self, temperature: float = 1.0, popularity_correction: float = 1.0) -> None:
        self._task = tfrs.tasks.Retrieval(temperature=temperature, remove_accidental_hits=True)
        self._correction = popularity_correction

    def loss(
        self,
        query_embeddings: Tensor,
        candidate_embeddings: Tensor,
        item_indices: Tensor,
        sampling_probability: Tensor,
        sample_weight: Tensor,
    ) -> Tensor:
        """Computes the loss of a batch.

        Args:
            query_embeddings: float `[B, D]`.
            candidate_embeddings: float `[B, D]`; row `i` is the item that query `i` met.
            item_indices: int `[B]`, to find equal items.
            sampling_probability: float `[B]`, share of the training rows that hold the item.
            sample_weight: float `[B]`; 0 leaves a row out as a query. It stays a negative.

        Returns:
            float32 scalar, 0 where all weights are 0.
        """
        # In half precision the logits of a large batch lose the difference between near items.
        total = self._task(
            tf.cast(query_embeddings, tf.float32),
            tf.cast(candidate_embeddings, tf.float32),
            sample_weight=sample_weight,
            candidate_sampling_probability=tf.pow(sampling_probability, self._correction),
            candidate_ids=item_indices,
            compute_metrics=False,
            compute_batch_metrics=False,
        )
        return tf.math.divide_no_nan(total, tf.reduce_sum(sample_weight))
