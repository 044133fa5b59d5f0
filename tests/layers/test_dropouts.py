import numpy as np
import pytest
from keras import ops

from recsys_tf.layers import HistoryDropout, IdDropout
from recsys_tf.types import PADDING_INDEX, UNKNOWN_INDEX

IDS = np.where(np.arange(40_000) % 4 == 0, 0, np.arange(40_000) % 50 + 2)


def run(layer, ids, training=True):
    return ops.convert_to_numpy(layer(ids, training=training))


def test_a_share_of_the_ids_becomes_unknown():
    found = run(IdDropout(0.3, seed=1), IDS)
    is_given = IDS != PADDING_INDEX
    is_hidden = is_given & (found == UNKNOWN_INDEX)
    # 30,000 draws: four standard deviations are 0.011.
    assert abs(is_hidden.sum() / is_given.sum() - 0.3) < 0.011
    np.testing.assert_array_equal(found[~is_hidden], IDS[~is_hidden])


def test_a_share_of_the_events_becomes_padding():
    ids = IDS.reshape(400, 100)
    found = run(HistoryDropout(0.3, seed=1), ids)
    is_dropped = (ids != PADDING_INDEX) & (found == PADDING_INDEX)
    assert abs(is_dropped.sum() / (ids != PADDING_INDEX).sum() - 0.3) < 0.011
    np.testing.assert_array_equal(found[~is_dropped], ids[~is_dropped])


def test_rows_draw_rates_of_their_own():
    ids = np.full((500, 200), 7)
    shares = (run(HistoryDropout(0.3, is_rate_varied=True, seed=1), ids) == 0).mean(axis=1)
    # Uniform from 0 to 0.6: mean 0.3, standard deviation 0.6 / sqrt(12) and a little noise.
    assert abs(shares.mean() - 0.3) < 4 * 0.18 / 500**0.5
    assert abs(shares.std() - 0.6 / 12**0.5) < 0.02
    fixed = (run(HistoryDropout(0.3, seed=1), ids) == 0).mean(axis=1)
    assert fixed.std() < 0.05


def test_a_share_of_the_rows_loses_everything():
    ids = np.full((4000, 20), 7)
    is_empty = (run(HistoryDropout(0.0, empty_share=0.25, seed=1), ids) == 0).all(axis=1)
    # Four standard deviations are 0.027.
    assert abs(is_empty.mean() - 0.25) < 0.027
    found = run(HistoryDropout(0.0, empty_share=0.25, seed=1), ids)
    assert set(found.sum(axis=1)) == {0, 140}


def test_every_call_draws_anew_and_a_seed_repeats_the_draws():
    layer, again = IdDropout(0.5, seed=3), IdDropout(0.5, seed=3)
    first = run(layer, IDS)
    np.testing.assert_array_equal(run(again, IDS), first)
    assert (run(layer, IDS) != first).any()


@pytest.mark.parametrize("make", [HistoryDropout, IdDropout])
def test_nothing_changes_in_serving_or_at_rate_zero(make):
    ids = IDS.reshape(400, 100)
    np.testing.assert_array_equal(run(make(0.9), ids, training=False), ids)
    np.testing.assert_array_equal(run(make(0.0), ids), ids)


@pytest.mark.parametrize("make", [HistoryDropout, IdDropout])
@pytest.mark.parametrize("rate", [-0.1, 1.0, "0.5", True])
def test_rate_that_is_no_share_is_refused(make, rate):
    with pytest.raises(ValueError, match="`rate` must be a number from 0 to below 1, received"):
        make(rate)
