import gzip

import numpy as np
import pytest

from recsys_tf.datasets import load_adult

ROW = "{age}, {work}, 1000, Bachelors, 13, {married}, Sales, Husband, White, Male, {gain}, 0, 40, "
TRAIN = [
    ROW.format(age=30, work="Private", married="Never-married", gain=0) + "Cuba, <=50K",
    ROW.format(age=41, work="?", married="Divorced", gain=500) + "?, >50K",
    ROW.format(age="old", work="Private", married="Divorced", gain=0) + "Cuba, <=50K",
]
TEST = [ROW.format(age=52, work="Private", married="Widowed", gain=0) + "Cuba, >50K."]
HEADER = (
    "age, workclass, fnlwgt, education, education-num, marital-status, occupation, relationship, "
    "race, sex, capital-gain, capital-loss, hours-per-week, native-country, classification"
)


@pytest.fixture
def folder(tmp_path, write):
    write(tmp_path / "adult.data", TRAIN)
    write(tmp_path / "adult.test", ["|1x3 Cross validator", *TEST])
    return tmp_path


def test_two_files_become_one_table_with_its_test_rows(folder):
    table = load_adult(folder)
    assert len(table) == 3
    assert table.published_test_rows.tolist() == [2]
    assert table.rows["income"].tolist() == [0, 1, 1]
    assert table.rows["never_married"].tolist() == [1, 0, 0]
    assert table.rows["age"].tolist() == [30, 41, 52]


def test_refused_row_is_counted(folder):
    assert load_adult(folder).rejections.counts == {"age: not a number": 1}


def test_refused_rows_are_told_by_their_line_in_the_file(tmp_path, write):
    write(tmp_path / "adult.data", [HEADER, *TRAIN])
    write(tmp_path / "adult.test", ["|1x3 Cross validator", "too, short", *TEST])
    rejected = load_adult(tmp_path).rejections.rows
    assert dict(zip(rejected["source"], rejected["line"], strict=True)) == {
        "adult.data": 4,
        "adult.test": 2,
    }


def test_question_mark_is_missing(folder):
    rows = load_adult(folder).rows
    assert rows["workclass"].tolist() == ["Private", "", "Private"]
    assert rows["native_country"].tolist() == ["Cuba", "", "Cuba"]


def test_column_of_a_label_is_no_feature(folder):
    names = [feature.name for feature in load_adult(folder).schema.features]
    assert not {"marital_status", "classification", "income", "never_married"} & set(names)
    assert len(names) == 13


def test_packed_files_with_a_header_are_read_alike(folder, tmp_path):
    packed = tmp_path / "packed"
    packed.mkdir()
    for name, lines in (("adult.data", TRAIN), ("adult.test", TEST)):
        (packed / f"{name}.gz").write_bytes(gzip.compress("\n".join([HEADER, *lines]).encode()))
    plain, other = load_adult(folder), load_adult(packed)
    np.testing.assert_array_equal(plain.rows.to_numpy(), other.rows.to_numpy())


def test_unknown_class_is_named(folder, write):
    write(folder / "adult.test", [TEST[0].replace(">50K.", "rich")])
    with pytest.raises(ValueError, match="`classification` must hold one of .*received 'rich'"):
        load_adult(folder)


def test_absent_files_are_named(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"adult.data, adult.test or adult.data.gz"):
        load_adult(tmp_path)
    monkeypatch.delenv("RECSYS_DATA_DIR", raising=False)
    with pytest.raises(FileNotFoundError, match=r"`folder` must name the folder with adult.data"):
        load_adult()
