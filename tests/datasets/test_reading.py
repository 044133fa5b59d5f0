import numpy as np
import pandas as pd
import pytest

from recsys_tf.datasets.reading import DataFile, read_delimited
from recsys_tf.datasets.values import Column

RATINGS = (
    Column("user", "user_id", "id"),
    Column("item", "item_id", "id"),
    Column("rating", "rating", "number", low=0.5, high=5, is_required=True),
    Column("time", "timestamp", "timestamp"),
)
HEADER = "user,item,rating,time\n"
GOOD = "u1,i1,4.5,881250949\n"


def read(text, columns=RATINGS, **options):
    content = text if isinstance(text, bytes) else text.encode()
    return read_delimited(DataFile("ratings.csv", content), columns, **options)


def reasons_by_line(table):
    rows = table.rejections.rows
    return dict(zip(rows["line"], rows["reason"], strict=True))


def assert_all_rows_accounted_for(table):
    num_read = table.rejections.num_read["ratings.csv"]
    assert num_read == len(table.frame) + table.rejections.num_rejected


def test_good_rows_get_their_types_and_lines():
    table = read(HEADER + GOOD + "u2, i2 ,3,881250950\n")
    assert table.frame["user_id"].tolist() == ["u1", "u2"]
    assert table.frame["item_id"].tolist() == ["i1", "i2"]
    assert table.frame["rating"].tolist() == [4.5, 3.0]
    assert table.frame["timestamp"].tolist() == [881250949, 881250950]
    assert table.frame["timestamp"].dtype == np.int64
    assert table.frame["user_id"].dtype == object
    assert table.frame.index.tolist() == [2, 3]
    assert table.rejections.num_rejected == 0


def test_skipped_lines_are_counted_in_the_lines_and_not_as_rows():
    table = read("about\nthis\n" + HEADER + GOOD + "u1\n", num_skipped_lines=2)
    assert table.frame.index.tolist() == [4]
    assert reasons_by_line(table) == {5: "with a wrong number of columns"}
    assert table.rejections.num_read == {"ratings.csv": 2}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("u1,i1,4.5", "with a wrong number of columns"),
        ("u1,i1,4.5,881250949,extra", "with a wrong number of columns"),
        ("u1,i1,4\x00,881250949", "with a NUL or other control character"),
        ("", "with an empty line"),
        (",i1,4,881250949", "user_id: empty"),
        ("u1,   ,4,881250949", "item_id: empty"),
        ("u" * 257 + ",i1,4,881250949", "user_id: longer than 256 characters"),
        ("u" * 10_000 + ",i1,4,881250949", "user_id: longer than 256 characters"),
        ("u1,i1,,881250949", "rating: empty"),
        ("u1,i1,good,881250949", "rating: not a number"),
        ("u1,i1,nan,881250949", "rating: not finite"),
        ("u1,i1,-inf,881250949", "rating: not finite"),
        ("u1,i1,1e999,881250949", "rating: not finite"),
        ("u1,i1,5.5,881250949", "rating: outside [0.5, 5]"),
        ("u1,i1,-1,881250949", "rating: outside [0.5, 5]"),
        ("u1,i1,4,yesterday", "timestamp: not a number"),
        ("u1,i1,4,", "timestamp: empty"),
        ("u1,i1,4,881250949.5", "timestamp: not a whole number"),
        ("u1,i1,4,-5", "timestamp: outside [0, 4102444800]"),
        ("u1,i1,4,9999999999", "timestamp: outside [0, 4102444800]"),
        ("u1,i1,4,881250949000", "timestamp: in another unit than the column"),
    ],
)
def test_bad_row_is_counted_and_kept_aside(row, reason):
    table = read(HEADER + GOOD + row + "\n" + GOOD)
    assert reasons_by_line(table) == {3: reason}
    assert len(table.frame) == 2
    assert_all_rows_accounted_for(table)


def test_rejected_row_is_reported_with_its_text_cut_to_200_characters():
    table = read(HEADER + GOOD + "x" * 999 + "\n" + "u7,i7,bad,1\n")
    texts = table.rejections.rows["text"].tolist()
    assert texts[0] == "x" * 200
    assert texts[1] == "u7  i7  bad  1"


def test_id_of_256_characters_is_kept():
    assert len(read(HEADER + "u" * 256 + ",i1,4,881250949").frame) == 1


def test_bytes_that_are_not_utf8_refuse_their_row_only():
    latin, utf = ("café,i1,4,881250949\n".encode(each) for each in ("latin-1", "utf-8"))
    content = (HEADER + GOOD).encode() + latin + utf
    table = read(content)
    assert reasons_by_line(table) == {3: "with not valid utf-8"}
    assert table.frame["user_id"].tolist() == ["u1", "café"]


def test_latin_1_is_read_when_asked_for():
    table = read((HEADER + "café,i1,4,881250949\n").encode("latin-1"), encoding="latin-1")
    assert table.frame["user_id"].tolist() == ["café"]


TEXT = (Column("id", "id", "id"), Column("title", "title"))


@pytest.mark.parametrize(
    ("field", "title"),
    [
        ('"Usual Suspects, The"', "Usual Suspects, The"),
        ('"He said ""no"""', 'He said "no"'),
        ('""', ""),
        ("plain", "plain"),
    ],
)
def test_quoted_field_may_hold_the_delimiter(field, title):
    table = read(f"id,title\n1,{field}\n", TEXT, is_quoted=True)
    assert table.frame["title"].tolist() == [title]


@pytest.mark.parametrize("field", ['"open', 'mid"dle"', '"a"b', '"'])
def test_unbalanced_or_misplaced_quote_refuses_the_row_only(field):
    table = read(f'id,title\n1,{field}\n2,"a, b"\n', TEXT, is_quoted=True)
    assert reasons_by_line(table) == {2: "with an unbalanced or misplaced quote"}
    assert table.frame["title"].tolist() == ["a, b"]


def test_quote_is_an_ordinary_character_where_quoting_is_off():
    assert read('id,title\n1,"Amelie"\n', TEXT).frame["title"].tolist() == ['"Amelie"']


def test_delimiter_of_two_characters_leaves_single_colons_alone():
    text = "1::Story: The Film (1995)::A|B\n2::Other::\n3:Broken::C\n"
    columns = (Column("id", "id", "id"), Column("title", "title"), Column("g", "genres", "list"))
    table = read(text, columns, delimiter="::", names=("id", "title", "g"))
    assert table.frame["title"].tolist() == ["Story: The Film (1995)", "Other"]
    assert table.frame["genres"].tolist() == [["A", "B"], []]
    assert reasons_by_line(table) == {3: "with a wrong number of columns"}
    assert table.rejections.rows["text"].tolist() == ["3:Broken::C"]


def test_delimiter_of_two_characters_may_stand_in_quotes():
    text = '1::"Face::Off"::A|B\n2::"a|b"::C\n3::"x::y" ::C\n'
    columns = (Column("id", "id", "id"), Column("title", "title"), Column("g", "genres", "list"))
    table = read(text, columns, delimiter="::", names=("id", "title", "g"), is_quoted=True)
    assert table.frame["title"].tolist() == ["Face::Off", "a|b"]
    assert table.rejections.rows["text"].tolist() == ['3::"x::y" ::C']


@pytest.mark.parametrize(
    ("row", "reason"), [("u1,i1,9,1", "rating: outside [0.5, 5]"), ("u1", "with a wrong number")]
)
def test_of_many_refused_rows_all_are_counted_and_the_first_1000_shown(row, reason):
    table = read(HEADER + f"{row}\n" * 1_200 + GOOD)
    rows = table.rejections.rows
    assert_all_rows_accounted_for(table)
    assert rows["line"].tolist() == list(range(2, 1_202))
    assert rows["reason"].str.startswith(reason).all()
    assert rows["text"].tolist()[999:1_001] == [row.replace(",", "  ") if "," in row else row, ""]
    late = read(HEADER + "u1,i1,9,1\n" * 1_200 + "u1,i1,,881250949\n" + GOOD)
    assert late.rejections.rows["text"].iloc[-1] != ""
    table = read(HEADER + GOOD * 1_200).reject_repeated(["user_id", "item_id"])
    assert len(table.frame) == 1
    assert table.rejections.counts == {"a repeated (user_id, item_id)": 1_199}
    assert (table.rejections.rows["text"] != "").tolist() == [True] * 1_000 + [False] * 199


@pytest.mark.parametrize(
    ("factor", "unit"), [(10**3, "milliseconds"), (10**6, "microseconds"), (10**9, "nanoseconds")]
)
def test_column_of_another_clock_is_converted_and_reported(factor, unit):
    rows = "".join(f"u{n},i1,4,{(881250949 + n) * factor + 7}\n" for n in range(3))
    table = read(HEADER + rows + GOOD)
    assert table.frame["timestamp"].tolist() == [881250949, 881250950, 881250951]
    assert reasons_by_line(table) == {5: "timestamp: in another unit than the column"}
    assert table.rejections.notes == (
        f"ratings.csv: `timestamp` was in {unit}; converted to seconds",
    )


def test_na_and_leading_zeros_stay_text():
    table = read("id,title\n007,NA\nnull,None\n", TEXT)
    assert table.frame["id"].tolist() == ["007", "null"]
    assert table.frame["title"].tolist() == ["NA", "None"]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_mark_do_not_matter(newline, mark):
    text = newline.join(["user,item,rating,time", "u1,i1,4,881250949", "u2,i1,4,881250949"])
    table = read(mark + (text + newline * 2).encode())
    assert table.frame["user_id"].tolist() == ["u1", "u2"]
    assert table.rejections.num_rejected == 0


def test_missing_optional_number_is_nan():
    columns = (Column("id", "id", "id"), Column("age", "age", "number", low=0))
    assert np.isnan(read("id,age\n1,\n", columns).frame["age"].iloc[0])


def test_repeated_rows_are_removed_and_counted():
    table = read(HEADER + GOOD * 3 + "u1,i1,2,881250949\nu1,i1,2,881250950\n")
    table = table.reject_repeated(["user_id", "item_id", "timestamp"])
    assert table.frame.index.tolist() == [2, 6]
    assert table.rejections.counts == {"a repeated (user_id, item_id, timestamp)": 3}
    assert_all_rows_accounted_for(table)


def test_other_columns_and_another_order_do_not_matter():
    table = read("time,note,item,user,rating\n881250949,x,i1,u1,3\n")
    assert table.frame.columns.tolist() == ["user_id", "item_id", "rating", "timestamp"]
    assert table.frame.iloc[0].tolist() == ["u1", "i1", 3.0, 881250949]


@pytest.mark.parametrize("content", ["", "\n\n", "  \r\n"])
def test_empty_file_says_so(content):
    with pytest.raises(ValueError, match=r"`ratings.csv` is empty\."):
        read(content)


def test_header_alone_says_so():
    with pytest.raises(ValueError, match=r"`ratings.csv` has a header and no row\."):
        read(HEADER)


def test_utf16_says_what_to_do():
    with pytest.raises(ValueError, match="is in UTF-16; save it as UTF-8"):
        read((HEADER + GOOD).encode("utf-16"))


def test_absent_column_names_the_nearest():
    with pytest.raises(ValueError, match=r"lacks 1 of 4 columns.*Did you mean 'ratings'\?"):
        read("user,item,ratings,time\n" + GOOD)


def test_wrong_delimiter_shows_the_first_row():
    with pytest.raises(ValueError, match=r"(?s)No row .* parted by '\\t': .*first row: 'u1,i1"):
        read(GOOD, delimiter="\t", names=("user", "item", "rating", "time"))


def test_absent_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"ratings\.csv"):
        read_delimited(tmp_path / "ratings.csv", RATINGS)


def test_no_row_is_lost_in_a_file_of_random_damage():
    rng = np.random.default_rng(3)
    lines = [f"u{n},i{n},4,881250949".encode() for n in range(300)]
    for n in rng.choice(300, 120, replace=False):
        line = bytearray(lines[n])
        line[rng.integers(len(line))] = rng.integers(256)
        lines[n] = bytes(line)
    content = HEADER.encode() + b"\n".join(lines) + b"\n"
    table = read(content, is_quoted=True)
    num_lines = content.replace(b"\r\n", b"\n").count(b"\n") - 1
    assert table.rejections.num_read["ratings.csv"] == num_lines
    assert_all_rows_accounted_for(table)
    seen = sorted([*table.frame.index, *table.rejections.rows["line"]])
    assert seen == list(range(2, num_lines + 2))


def test_reader_agrees_with_pandas_on_a_good_file():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "user": rng.integers(0, 50, 200).astype(str),
            "item": ['a, "quoted" film', "plain"] * 100,
            "rating": rng.integers(1, 11, 200) / 2,
            "time": rng.integers(8e8, 9e8, 200),
        }
    )
    table = read(frame.to_csv(index=False), is_quoted=True)
    for ours, theirs in zip(table.frame, frame, strict=True):
        assert table.frame[ours].tolist() == frame[theirs].tolist()
