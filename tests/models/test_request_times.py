"""The time of a question, as training and serving read it."""

import numpy as np
import pytest

from recsys_tf import SequenceConfig
from recsys_tf.models import SequenceRecommender

SIZES = {"embedding_dim": 8, "max_length": 6, "dropout": 0.0, "has_times": True}
ITEMS, TIMES = np.array([[3, 4, 5, 6, 0]]), np.array([[100, 200, 5000, 5001, 0]])


@pytest.fixture(scope="module", params=["sasrec", "hstu", "gru4rec"])
def model(request):
    config = SequenceConfig(encoder=request.param, has_request_times=True, **SIZES)
    model = SequenceRecommender(12, config)
    # Large enough to be seen in the states.
    for table in (model.event_encoder.request_table, model.event_encoder.gap_table):
        values = np.random.default_rng(1).normal(size=table.embeddings.shape)
        table.embeddings.assign(values)
    return model


def states(model, asked_at, items=ITEMS, times=TIMES):
    return model({"items": items, "times": times, "asked_at": np.array([asked_at])}).numpy()[0]


def test_each_position_is_asked_as_if_its_row_ended_there(model):
    whole = states(model, 9000)
    for length, asked_at in ((1, 200), (2, 5000), (3, 5001), (4, 9000)):
        cut = states(model, asked_at, ITEMS[:, :length], TIMES[:, :length])
        np.testing.assert_allclose(whole[length - 1], cut[-1], rtol=1e-4, atol=1e-5)


def test_the_request_moves_the_last_state_alone(model):
    now, later = states(model, 5001), states(model, 10**6)
    assert np.abs(now[3] - later[3]).max() > 1e-3
    np.testing.assert_array_equal(np.delete(now, 3, axis=0), np.delete(later, 3, axis=0))


def test_only_differences_of_times_count(model):
    moved = states(model, 9000 + 10**9, times=TIMES + 10**9 * (TIMES > 0))
    np.testing.assert_allclose(moved, states(model, 9000), rtol=1e-4, atol=1e-5)


def test_a_moment_that_is_not_given_is_named(model):
    with pytest.raises(ValueError, match="`inputs` must hold 'asked_at'"):
        model({"items": ITEMS, "times": TIMES})


def test_an_encoder_of_both_directions_is_refused():
    config = SequenceConfig(encoder="bert4rec", has_request_times=True, **SIZES)
    with pytest.raises(ValueError, match="`config.has_request_times` must be false.*'bert4rec'"):
        SequenceRecommender(12, config)


def test_the_times_that_it_counts_from_are_needed():
    with pytest.raises(ValueError, match="has_request_times: needs `has_times`"):
        SequenceConfig(has_request_times=True)
