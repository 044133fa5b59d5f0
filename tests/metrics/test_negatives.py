import numpy as np
import pytest
from scipy import sparse

from recsys_tf.metrics import draw_negatives, negatives


def test_negatives_are_distinct_items_that_the_user_has_not_met(rng):
    met = sparse.csr_matrix(rng.random((50, 40)) < 0.5)
    drawn = draw_negatives(met, 8, seed=3)
    assert drawn.shape == (50, 8)
    assert (np.diff(drawn, axis=1) > 0).all()
    assert not np.take_along_axis(met.toarray(), drawn, axis=1).any()


def test_draw_follows_the_seed_and_not_the_blocks(rng, monkeypatch):
    met = sparse.csr_matrix(rng.random((50, 40)) < 0.5)
    whole = draw_negatives(met, 8, seed=3)
    assert (whole != draw_negatives(met, 8, seed=4)).any()
    monkeypatch.setattr(negatives, "DRAWN_USERS", 7)
    np.testing.assert_array_equal(draw_negatives(met, 8, seed=3), whole)


def test_all_unmet_items_are_drawn_alike():
    # 4,000 users draw 2 of items 1 to 5: each 1,600 times on average, standard deviation 31.
    met = sparse.csr_matrix(np.tile([1.0, 0, 0, 0, 0, 0], (4000, 1)))
    counts = np.bincount(draw_negatives(met, 2, seed=0).reshape(-1), minlength=6)
    assert counts[0] == 0
    np.testing.assert_allclose(counts[1:], 1600, atol=5 * 31)


def test_draw_of_some_users_has_their_rows():
    met = sparse.csr_matrix([[0, 0, 1], [1, 0, 0]])
    assert draw_negatives(met, 2, 0, np.array([1])).tolist() == [[1, 2]]


def test_user_who_has_met_too_much_is_an_error():
    with pytest.raises(ValueError, match=r"received 3 for user 1 with 2; draw fewer"):
        draw_negatives(sparse.csr_matrix([[0, 0, 0], [1, 0, 0]]), 3, seed=0)


def test_no_negative_asked_is_an_error():
    with pytest.raises(ValueError, match=r"`num_negatives` must be at least 1, received 0"):
        draw_negatives(sparse.csr_matrix((1, 3)), 0, seed=0)
