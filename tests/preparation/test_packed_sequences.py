"""Several short histories share a training row: the same questions, the same loss."""

import numpy as np
import pytest

from recsys_tf import SequenceConfig
from recsys_tf.evaluation import sequence_ranking
from recsys_tf.models import SequenceRecommender
from recsys_tf.preparation import SequenceData
from recsys_tf.spec import SpecError


def test_a_packed_epoch_has_the_loss_of_the_unpacked_one(small_data):
    plain = SequenceConfig(
        embedding_dim=8,
        max_length=30,
        windows="all",
        encoder="hstu",
        encoder_options={"num_layers": 1},
        dropout=0.0,
        has_times=True,
        action_column="surface",
        actions=("search", "mail"),
        content_features=("genres", "price"),
    )
    data = SequenceData(small_data, plain)
    model = SequenceRecommender(data.num_indices, plain, data.content)
    sums, numbers = {}, {}
    for is_packed in (False, True):
        config = plain.model_copy(update={"is_packed": is_packed})
        found = []
        for x, y in SequenceData(small_data, config).train_dataset():
            assert ("positions" in x) == is_packed
            number = int(np.count_nonzero(y))
            found.append((float(model.compute_loss(x, y, model(x))) * number, number))
        sums[is_packed], numbers[is_packed] = np.sum(found, axis=0)
    assert numbers[True] == numbers[False]
    np.testing.assert_allclose(sums[True], sums[False], rtol=1e-4)


def test_a_model_is_trained_on_packed_rows_with_masks(small_data):
    config = SequenceConfig(
        embedding_dim=8, max_length=10, encoder="bert4rec", has_times=True, is_packed=True
    )
    data = SequenceData(small_data, config)
    model = SequenceRecommender(data.num_indices, config)
    model.compile("adam")
    found = model.fit(data.train_dataset(model.mask_index), verbose=0)
    assert np.isfinite(found.history["loss"]).all()
    assert np.isfinite(sequence_ranking(model, data, "validation").means()["ndcg_at_10"])


def test_packed_rows_are_refused_of_an_encoder_that_cannot_keep_them_apart(small_data):
    config = SequenceConfig(encoder="gru4rec", is_packed=True)
    rule = "is_packed: must be false for the encoder 'gru4rec', .* bert4rec, caser, cnn, hstu, "
    with pytest.raises(SpecError, match=rule):
        SequenceData(small_data, config)
    with pytest.raises(SpecError, match=rule):
        SequenceRecommender(60, config)


def test_packed_rows_are_refused_with_the_times_of_requests():
    with pytest.raises(ValueError, match="is_packed: must be false with `has_request_times`"):
        SequenceConfig(is_packed=True, has_times=True, has_request_times=True)
