"""Ratings by the biases of users and items."""

import numpy as np
import pytest
from scipy import sparse

from recsys_tf.baselines import NEW_USER, Bias


def test_bias_recovers_additive_ratings_without_shrinkage():
    user_bias, item_bias = np.array([0.5, -0.5, 0.0]), np.array([1.0, -1.0, 0.25, -0.25])
    ratings = 3.0 + user_bias[:, None] + item_bias[None, :]
    model = Bias(shrinkage=0.0).fit(sparse.csr_matrix(ratings))
    users, items = np.repeat([0, 1, 2], 4), np.tile([0, 1, 2, 3], 3)
    np.testing.assert_allclose(model.predict(users, items), ratings.reshape(-1), atol=1e-12)


def test_bias_of_one_rating_is_shrunk_as_the_formula_says():
    # Mean 3. Item 1: (5 - 3) / (1 + 1) = 1; item 0: (1 - 3) / (1 + 1) = -1; then user 1 has a
    # residual of 5 - 3 - 1 = 1 -> 1 / 2, user 0 of 1 - 3 + 1 = -1 -> -1 / 2.
    model = Bias(shrinkage=1.0, num_iterations=1).fit(sparse.csr_matrix([[1.0, 0], [0, 5.0]]))
    assert model.predict([0, 0, 1, 1], [0, 1, 0, 1]).tolist() == [1.5, 3.5, 2.5, 4.5]


def test_new_user_and_new_item_have_no_bias():
    model = Bias(shrinkage=1.0, num_iterations=1).fit(sparse.csr_matrix([[1.0, 0], [0, 5.0]]))
    assert model.predict([NEW_USER, 1, NEW_USER], [1, -1, -1]).tolist() == [4.0, 3.5, 3.0]


def test_rating_of_zero_is_a_rating():
    ratings = sparse.csr_matrix(([0.0, 4.0], ([0, 0], [0, 1])), shape=(1, 2))
    model = Bias(shrinkage=0.0).fit(ratings)
    np.testing.assert_allclose(model.predict([0, 0], [0, 1]), [0.0, 4.0], atol=1e-12)


def test_predictions_of_unequal_lengths_are_an_error():
    model = Bias().fit(sparse.csr_matrix([[1.0, 2.0]]))
    with pytest.raises(ValueError, match=r"`item_indexes` must have the length of `user_indexes`"):
        model.predict([0, 0], [1])
