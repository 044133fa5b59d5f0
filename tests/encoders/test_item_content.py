"""Fixed numbers of items, projected."""

import numpy as np
import pytest

from recsys_tf.encoders import ItemContent


def test_rows_are_projected_by_the_kernel():
    layer = ItemContent(3, content_dim=2, embedding_dim=1)
    layer.set_content(np.array([[0, 0], [1, 2], [3, 4]], "float32"))
    layer.kernel.assign([[10.0], [1.0]])
    assert np.asarray(layer(np.array([[2, 0], [1, 1]])))[..., 0].tolist() == [[34, 0], [12, 12]]


def test_the_numbers_are_not_trained():
    layer = ItemContent(3, 2, 4)
    layer.build()
    assert [each.name for each in layer.trainable_variables] == ["kernel"]


@pytest.mark.parametrize("content", [np.zeros([3, 3]), np.full([3, 2], np.nan)])
def test_other_shapes_and_numbers_that_are_none_are_refused(content):
    with pytest.raises(ValueError, match=r"`content` must be finite numbers of shape \(3, 2\)"):
        ItemContent(3, 2, 4).set_content(content.astype("float32"))
