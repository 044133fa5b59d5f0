import pandas as pd
import pytest

from recsys_tf.config import RunConfig

GOOD = [
    f"{user}\t{item}\t4\t{880_000_000 + 100 * item + user}"
    for user in (1, 2, 3)
    for item in range(1, 6)
]


def test_report_tells_counts_and_split(call, ml_100k):
    result = call("data", "--dataset", "ml-100k", "--data-dir", ml_100k(*GOOD))
    assert result.exit_code == 0, result.stderr
    assert "15 events of 3 users and 5 items" in result.stdout
    assert "u.data: 15 rows read, 15 kept, none rejected" in result.stdout
    assert "validation" in result.stdout


def test_refused_rows_are_told_with_reason_and_line(call, ml_100k):
    folder = ml_100k(*GOOD, GOOD[0], "1\t2\tnan\t880000000")
    result = call(
        "data", "--data-dir", folder, "--set", "pipeline.max_rejected_share=0.5",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert "17 rows read, 15 kept, 2 rejected" in result.stdout
    assert "line 16" in result.stdout
    assert "2 rows were rejected" in result.stderr


def test_too_many_refused_rows_reject_the_data_after_the_report(call, ml_100k):
    result = call("data", "--data-dir", ml_100k(*GOOD, *["1\t2\tx\t880000000"] * 5))
    assert result.exit_code == 4
    assert "5 rejected" in result.stdout
    assert "25.0% of the rows of a source were rejected" in result.stderr
    assert "Traceback" not in result.stderr


def test_empty_file_rejects_the_data(call, ml_100k):
    result = call("data", "--data-dir", ml_100k())
    assert result.exit_code == 4
    assert result.stderr.startswith("error: ")


def test_data_that_cannot_be_split_is_rejected(call, ml_100k):
    same_second = [f"{user}\t1\t4\t880000000" for user in (1, 2, 3)]
    result = call("data", "--data-dir", ml_100k(*same_second))
    assert result.exit_code == 4
    assert "split leaves no row for" in result.stderr


def test_missing_folder_is_wrong_usage(call, tmp_path):
    result = call("data", "--dataset", "ml-100k", "--data-dir", tmp_path / "nothing")
    assert result.exit_code == 2
    assert "there is no such folder" in result.stderr


def test_unknown_data_set_is_told_the_nearest(call):
    result = call("data", "--dataset", "ml-10k")
    assert result.exit_code == 2
    assert "Did you mean" in result.stderr


def test_frames_are_written_with_their_part(call, small_synthetic, tmp_path):
    result = call("data", "--dataset", "synthetic", "--out", tmp_path / "frames")
    assert result.exit_code == 0, result.stderr
    events = pd.read_parquet(tmp_path / "frames" / "events.parquet")
    assert set(events["part"]) == {"train", "validation", "test"}
    assert sorted(each.name for each in (tmp_path / "frames").iterdir()) == [
        "dataset.yaml", "events.parquet", "items.parquet", "rejected.parquet", "users.parquet",
    ]  # fmt: skip
    assert [each.name for each in tmp_path.iterdir()] == ["frames"]


def test_written_frames_are_a_data_set(call, small_synthetic, small_sections, tmp_path):
    folder = tmp_path / "frames"
    told = call("data", "--dataset", "synthetic", "--out", folder).stdout
    again = call("data", "--dataset", "parquet", "--data-dir", folder)
    assert again.exit_code == 0, again.stderr
    assert again.stdout.splitlines()[:4] == told.splitlines()[:4]
    # With a configuration that tells the schema, nothing but the files is needed.
    (folder / "dataset.yaml").unlink()
    values = {"data": {"dataset": "parquet", "folder": str(folder)}, **small_sections}
    RunConfig.from_dict(values).to_yaml(tmp_path / "run.yaml")
    result = call("data", "--config", tmp_path / "run.yaml")
    assert result.exit_code == 0, result.stderr
    assert "tasks: watch (retrieval), click (binary), rating (regression)" in result.stdout


def test_own_data_need_a_folder_and_a_schema(call, tmp_path):
    result = call("data", "--dataset", "parquet")
    assert result.exit_code == 2
    assert "`folder` must name the folder of the Parquet files" in result.stderr
    result = call("data", "--dataset", "parquet", "--data-dir", tmp_path)
    assert result.exit_code == 4
    assert "give the run a `features_and_tasks`" in result.stderr


def test_filled_folder_is_not_written_into(call, small_synthetic, tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    result = call("data", "--dataset", "synthetic", "--out", tmp_path)
    assert result.exit_code == 2
    assert "must be new or empty" in result.stderr


@pytest.mark.parametrize("command", ["data", "train"])
def test_unwritable_folder_is_told_before_any_work(call, small_synthetic, tmp_path, command):
    (tmp_path / "file").write_text("")
    result = call(command, "--dataset", "synthetic", "--out", tmp_path / "file" / "out")
    assert result.exit_code == 3
    assert "cannot be written: Not a directory" in result.stderr
    assert "reading" not in result.stderr
