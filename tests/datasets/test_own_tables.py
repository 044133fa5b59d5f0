import re

import numpy as np
import pandas as pd
import pytest

from recsys_tf import DataConfig, RunConfig
from recsys_tf.config import TableConfig
from recsys_tf.datasets import load_configured_table, load_csv_table, load_parquet_table
from recsys_tf.schema import (
    CategoricalFeature,
    EmbeddingFeature,
    NumericFeature,
    TableSchema,
    TaskSpec,
)

SCHEMA = TableSchema(
    features=(
        NumericFeature(name="price", side="item"),
        CategoricalFeature(name="shop", side="context"),
        CategoricalFeature(name="tags", side="item", is_multivalent=True),
    ),
    tasks=(
        TaskSpec(name="click", kind="binary", label="click", sample_weight="weight"),
        TaskSpec(name="rating", kind="regression", label="stars", value_range=(1, 5)),
    ),
)
# Of the third row the stars are too many, of the fourth the weight is missing.
COLUMNS = {
    "price": [1.5, None, 2.0, 3.0],
    "shop": ["a", None, "b", "b"],
    "tags": [["x", "y"], None, ["x"], []],
    "click": [1, 0, 1, 0],
    "weight": [1.0, 0.5, 1.0, None],
    "stars": [4.0, None, 9.0, 2.0],
    "session": ["not", "asked", "for", "it"],
}


@pytest.fixture(params=["parquet", "csv"])
def load(request, tmp_path):
    """Writes the table in this form, and reads it."""

    def read(**columns):
        frame = pd.DataFrame({**COLUMNS, **columns})
        if request.param == "parquet":
            frame.to_parquet(tmp_path / "rows.parquet")
            return load_parquet_table(tmp_path, SCHEMA)
        frame["tags"] = ["|".join(each or []) for each in frame["tags"]]
        frame.to_csv(tmp_path / "rows.csv", index=False)
        return load_csv_table(tmp_path, SCHEMA)

    return read


def test_rows_are_read_or_counted_with_a_reason(load):
    table = load(shop=["a, the first", None, "b", "b"])
    assert list(table.rows.index) == [0, 1]
    assert table.rows["price"].tolist() == [1.5, pytest.approx(np.nan, nan_ok=True)]
    assert table.rows["shop"].tolist() == ["a, the first", ""]
    assert [list(each) for each in table.rows["tags"]] == [["x", "y"], []]
    assert table.rows["click"].tolist() == [1, 0]
    assert "session" not in table.rows
    assert table.rejections.counts == {"stars: outside [1, 5]": 1, "weight: empty": 1}
    assert table.published_test_rows is None


def test_files_of_a_folder_are_one_table(tmp_path):
    (tmp_path / "rows").mkdir()
    for part in range(2):
        frame = pd.DataFrame(COLUMNS).assign(price=float(part))[:2]
        frame.to_parquet(tmp_path / "rows" / f"{part}.parquet")
    table = load_parquet_table(tmp_path, SCHEMA)
    assert table.rows["price"].tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("read", [load_parquet_table, load_csv_table])
def test_what_is_not_given_or_not_there_is_told(read, tmp_path):
    with pytest.raises(FileNotFoundError, match="`folder` must name .* received None"):
        read(None, SCHEMA)
    with pytest.raises(ValueError, match=r"`schema` must tell .*table\.features_and_tasks"):
        read(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"must hold rows\.(parquet|csv).* stars, weight"):
        read(tmp_path, SCHEMA)


def test_vectors_are_read_of_parquet_and_refused_of_csv(tmp_path):
    image = EmbeddingFeature(name="image", side="item", size=2)
    schema = SCHEMA.model_copy(update={"features": (*SCHEMA.features, image)})
    pd.DataFrame({**COLUMNS, "image": [[1.0, 2.0]] * 4}).to_parquet(tmp_path / "rows.parquet")
    assert load_parquet_table(tmp_path, schema).rows["image"][0].tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"ready-made vectors .* 'image'; write .*rows\.parquet"):
        load_csv_table(tmp_path, schema)


def test_run_replaces_the_schema_of_a_public_table(tmp_path):
    row = "30, Private, 1, B, 13, {}, Sales, Own, White, Male, 0, 0, 40, Cuba, <=50K"
    for name in ("adult.data", "adult.test"):
        (tmp_path / name).write_text(row.format("Divorced") + "\n")
    age = NumericFeature(name="age", side="user")
    task = TaskSpec(name="income", kind="binary", label="income")
    data = DataConfig(dataset="adult", folder=str(tmp_path), split="random")
    own = TableConfig(features_and_tasks=TableSchema(features=(age,), tasks=(task,)))
    table = load_configured_table(RunConfig(data=data, table=own))
    assert [each.name for each in table.schema.features] == ["age"]
    assert table.published_test_rows.tolist() == [1]
    whole = load_configured_table(RunConfig(data=data, table=TableConfig()))
    assert [each.name for each in whole.schema.tasks] == ["income", "never_married"]


def test_unknown_table_is_told_with_the_nearest():
    data = DataConfig(dataset="adults", split="random")
    with pytest.raises(ValueError, match=re.escape("Did you mean 'adult'")):
        load_configured_table(RunConfig(data=data, table=TableConfig()))
