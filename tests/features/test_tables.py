import numpy as np
import pandas as pd
import pytest

from recsys_tf import (
    CategoricalFeature,
    IdFeature,
    NumericFeature,
    Schema,
    TableSchema,
    TaskSpec,
)
from recsys_tf.features import (
    Examples,
    Preprocessor,
    fit_state,
    make_table_dataset,
    table_examples,
)

SCHEMA = TableSchema(
    features=(
        NumericFeature(name="age", side="user"),
        CategoricalFeature(name="city", side="user"),
        CategoricalFeature(name="tags", side="item", is_multivalent=True, max_values=2),
    ),
    tasks=(
        TaskSpec(name="like", kind="binary", label="stars", positive_at_least=4),
        TaskSpec(name="stars", kind="regression", label="stars", sample_weight="trust"),
    ),
)
ROWS = pd.DataFrame(
    {
        "age": [20.0, 40.0, np.nan],
        "city": ["Lund", "", "Lund"],
        "tags": [["a", "b"], [], ["b"]],
        "stars": [5.0, 2.0, np.nan],
        "trust": [1.0, 0.5, 1.0],
    }
)


@pytest.fixture
def preprocessor():
    examples = table_examples(SCHEMA, ROWS)
    return Preprocessor(SCHEMA, fit_state(SCHEMA, examples))


def batches(preprocessor, **options):
    dataset = make_table_dataset(table_examples(SCHEMA, ROWS), preprocessor, SCHEMA, **options)
    return list(dataset.as_numpy_iterator())


def test_features_of_every_side_are_learned_from_the_rows(preprocessor):
    state = preprocessor.state
    assert state.vocabularies == {"city": ("Lund",), "tags": ("b", "a")}
    assert state.moments["age"] == (30.0, 10.0)


def test_batch_holds_features_labels_and_weights(preprocessor):
    ((features, labels, weights),) = batches(preprocessor, batch_size=3)
    np.testing.assert_allclose(features["age"], [[-1, 1], [1, 1], [0, 0]])
    assert features["city"].tolist() == [2, 0, 2]
    assert features["tags"].tolist() == [[3, 2], [0, 0], [2, 0]]
    np.testing.assert_array_equal(labels["like"], [1, 0, np.nan])
    np.testing.assert_array_equal(labels["stars"], [5, 2, np.nan])
    np.testing.assert_array_equal(weights["stars"], [1, 0.5, 1])


def test_shuffled_rows_are_the_same_rows_in_an_order_of_the_seed(preprocessor):
    first, again, other = (
        np.concatenate([b[0]["age"][:, 0] for b in batches(preprocessor, batch_size=2, **options)])
        for options in ({"shuffle_seed": 1}, {"shuffle_seed": 1}, {})
    )
    np.testing.assert_array_equal(first, again)
    assert sorted(first) == sorted(other)
    assert len(batches(preprocessor, batch_size=2, drop_remainder=True)) == 1


def test_unusable_label_is_refused(preprocessor):
    rows = ROWS.assign(stars=[np.inf, 1, 2])
    with pytest.raises(ValueError, match="must be finite"):
        make_table_dataset(table_examples(SCHEMA, rows), preprocessor, SCHEMA, 2)


def test_absent_label_is_named_with_the_columns_there_are(preprocessor):
    examples = table_examples(SCHEMA, ROWS)
    columns = {name: each for name, each in examples.columns.items() if name != "trust"}
    with pytest.raises(ValueError, match="lacks the label") as error:
        make_table_dataset(Examples(columns, examples.lists), preprocessor, SCHEMA, 2)
    assert str(error.value) == (
        "`examples` lacks the label or weight 'trust' of the schema's tasks; it has 'age', 'city', "
        "'stars'. Give the rows that column (NaN where a label is not known) and make the examples "
        "with this schema, or take the task out of it."
    )


def test_absent_column_is_named():
    with pytest.raises(ValueError, match="`rows` lacks the column 'city'"):
        table_examples(SCHEMA, ROWS.drop(columns="city"))


def test_catalogue_must_fit_the_kind_of_schema():
    examples = table_examples(SCHEMA, ROWS)
    with pytest.raises(TypeError, match="must be None with a `TableSchema`; received Examples"):
        fit_state(SCHEMA, examples, examples)
    schema = Schema(
        features=(IdFeature(name="user_id", side="user"), IdFeature(name="item_id", side="item")),
        tasks=(TaskSpec(name="watch", kind="retrieval"),),
    )
    with pytest.raises(TypeError, match="must be given with a `Schema`.*received NoneType"):
        fit_state(schema, Examples({}))
