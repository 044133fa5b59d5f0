"""The order of a list by hand, and the categories that are counted."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from recsys_tf import CategoricalFeature, IdFeature, Schema, TaskSpec
from recsys_tf.config import ExportConfig
from recsys_tf.export.list_order import ListOrder, item_categories
from recsys_tf.features import catalogue_examples
from recsys_tf.retrieval.candidate_index import EXCLUDED_SCORE


def schema(*features):
    own = (IdFeature(name="user_id", side="user"), IdFeature(name="item_id", side="item"))
    return Schema(features=(*own, *features), tasks=(TaskSpec(name="watch", kind="retrieval"),))


LABEL = CategoricalFeature(name="label", side="item")
TAGS = CategoricalFeature(name="tags", side="item", is_multivalent=True)
MAKER = IdFeature(name="maker", side="item")
ITEMS = pd.DataFrame(
    {
        "item_id": ["a", "b", "c", "d"],
        "label": ["x", "x", None, "y"],
        "tags": [["p", "q"], ["q"], [], ["r"]],
        "maker": ["m", "n", "m", "m"],
    }
)
# a and b look the same way, c and d to two other sides.
VECTORS = np.array([[1, 0], [2, 0], [0, 1], [-1, 0]], "float32")
SCORES = np.array([[0.9, 0.8, 0.7, EXCLUDED_SCORE]], "float32")
IS_ITEM = np.array([[True, True, True, False]])
ROWS = np.array([[0, 1, 2, 3]], "int32")


def vectors(rows):
    return tf.gather(VECTORS, rows)


def order(feature=None, reranker="mmr", list_order="picked", similarity_feature=None):
    own = schema(LABEL, TAGS, MAKER)
    config = ExportConfig(
        reranker=reranker,
        list_order=list_order,
        similarity_feature=similarity_feature,
        category_feature=feature,
    )
    return ListOrder(config, own, catalogue_examples(own, ITEMS), vectors)


@pytest.mark.parametrize("reranker", ["mmr", "dpp", "max_sum"])
def test_likeness_is_passed_over_for_variety(reranker):
    chosen = order(reranker=reranker)
    scores, places = chosen(SCORES, IS_ITEM, ROWS, tf.constant(2), tf.constant([0.0]))
    assert places.numpy().tolist() == [[0, 1]]
    np.testing.assert_allclose(scores, [[0.9, 0.8]])
    scores, places = chosen(SCORES, IS_ITEM, ROWS, tf.constant(2), tf.constant([0.8]))
    assert places.numpy().tolist() == [[0, 2]]
    np.testing.assert_allclose(scores, [[0.9, 0.7]])


@pytest.mark.parametrize("reranker", ["mmr", "dpp", "max_sum"])
@pytest.mark.parametrize(
    ("feature", "expected"),
    # After `a`, which shares the label and a tag with `b` and the maker with `c`.
    [(None, [0, 2, 1]), ("label", [0, 2, 1]), ("tags", [0, 2, 1]), ("maker", [0, 1, 2])],
)
def test_a_feature_tells_what_is_alike(feature, expected, reranker):
    chosen = order(reranker=reranker, similarity_feature=feature)
    _, places = chosen(SCORES, IS_ITEM, ROWS, tf.constant(3), tf.constant([0.8]))
    assert places.numpy().tolist() == [expected]


def test_items_without_a_kind_are_not_alike():
    own = schema(LABEL)
    items = ITEMS.assign(label=[None, "", "x", "x"])
    config = ExportConfig(reranker="mmr", similarity_feature="label")
    chosen = ListOrder(config, own, catalogue_examples(own, items), vectors)
    is_item = np.ones_like(IS_ITEM)
    scores = np.array([[0.9, 0.8, 0.79, 0.78]], "float32")
    _, places = chosen(scores, is_item, ROWS, tf.constant(4), tf.constant([0.5]))
    assert places.numpy().tolist() == [[0, 1, 2, 3]]


def test_picked_items_are_answered_by_relevance_where_configured():
    wish = SCORES, IS_ITEM, ROWS, tf.constant(3), tf.constant([0.8])
    assert order()(*wish)[1].numpy().tolist() == [[0, 2, 1]]
    assert order(list_order="relevance")(*wish)[1].numpy().tolist() == [[0, 1, 2]]


def test_what_is_no_item_is_never_chosen():
    scores, _ = order()(SCORES, IS_ITEM, ROWS, tf.constant(4), tf.constant([1.0]))
    assert sorted(scores.numpy()[0, :3].tolist()) == pytest.approx([0.7, 0.8, 0.9])
    assert scores.numpy()[0, 3] == EXCLUDED_SCORE


@pytest.mark.parametrize(
    ("feature", "expected"),
    # `b` shares the label and a tag with `a`, `c` the maker; no label is no category.
    [("label", [0.9, 0.7]), ("tags", [0.9, 0.7]), ("maker", [0.9, 0.8])],
)
def test_cap_of_one_by_kind_of_feature(feature, expected):
    chosen = order(feature)
    scores, _ = chosen(SCORES, IS_ITEM, ROWS, tf.constant(3), None, tf.constant([1]))
    np.testing.assert_allclose(scores, [[*expected, EXCLUDED_SCORE]])


def test_items_without_a_category_are_not_capped():
    own = schema(LABEL)
    items = ITEMS.assign(label=[None, "", None, "y"])
    table = item_categories("label", own, catalogue_examples(own, items))
    assert table.tolist() == [-1, -1, -1, 0]


def test_several_categories_are_flags():
    own = schema(TAGS)
    table = item_categories("tags", own, catalogue_examples(own, ITEMS))
    assert table.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_schema_without_categories_is_told():
    own = schema()
    with pytest.raises(ValueError, match="`category_feature` 'label' must be .*None"):
        item_categories("label", own, catalogue_examples(own, ITEMS))


def test_wish_of_another_rank_is_refused():
    with pytest.raises(ValueError, match="`diversity` must have rank 1, received rank 0"):
        order()(SCORES, IS_ITEM, ROWS, tf.constant(2), tf.constant(0.5))
