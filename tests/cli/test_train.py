"""What `recsys-tf train` hands to the training."""

import types

import pytest

from recsys_tf.cli.failures import Failure
from recsys_tf.cli.kinds import NextItems, TwoTowers
from recsys_tf.cli.run_folder import RunFolder
from recsys_tf.cli.train import _fit
from recsys_tf.cli.training_watch import TrainingWatch


def test_what_training_tells_stands_beside_the_progress(small_data, tmp_path, monkeypatch, capsys):
    def fit(*_, callbacks, tell, **__):
        callbacks[0].set_params({"epochs": 1})
        callbacks[0].on_epoch_end(0, {"loss": 1.0})
        tell("self-check leak, click: planted.")

    monkeypatch.setattr("recsys_tf.training.fit", fit)
    for kind, model in (
        (TwoTowers(small_data), None),
        (NextItems(small_data), types.SimpleNamespace(mask_index=None)),
    ):
        history = _fit(small_data.config, kind, model, RunFolder(tmp_path))
        assert history == {"loss": [1.0]}
        assert "\nself-check leak, click: planted.\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("is_overwriting", "has_checkpoint", "way"),
    [
        (False, True, "the same command goes on"),
        (True, True, "the same command without `--overwrite` goes on"),
        (True, False, "the same command goes on"),
    ],
)
def test_interrupted_run_says_how_to_go_on(
    is_overwriting, has_checkpoint, way, small_data, tmp_path, monkeypatch
):
    folder = RunFolder(tmp_path)
    if has_checkpoint:
        (folder.checkpoints / "epoch-000003").mkdir(parents=True)

    def fit(*_, callbacks, **__):
        callbacks[0].set_params({"epochs": 9})
        callbacks[0].on_train_begin()
        callbacks[0].on_epoch_begin(3)  # Of a run that went on.
        raise KeyboardInterrupt

    monkeypatch.setattr("recsys_tf.training.fit", fit)
    kind = TwoTowers(small_data)
    with pytest.raises(Failure) as caught:
        _fit(kind.data.config, kind, None, folder, is_overwriting=is_overwriting)
    assert str(caught.value).startswith("interrupted after 3 of ")
    assert str(caught.value).endswith(f"{way} from there.")


@pytest.mark.parametrize("half", ['{"epoch": 2, "lo', '{"epoch": 2, "loss": 1.0}'])
def test_record_with_a_half_written_line_is_read(half, tmp_path):
    record = tmp_path / "epochs.jsonl"
    record.write_text('{"epoch": 1, "loss": 3.0}\n' + half)
    watch = TrainingWatch(record, num_steps=1)
    watch.set_params({"epochs": 3})
    for epoch, loss in ((1, 2.0), (2, 1.5)):
        watch.on_epoch_end(epoch, {"loss": loss})
    assert watch.history() == {"loss": [3.0, 2.0, 1.5]}


def test_unknown_option_of_a_block_is_told_before_the_data_are_read(call, tmp_path):
    asked = call(
        "train", "--dataset", "ml-100k", "--data-dir", tmp_path / "none", "--out", tmp_path / "run",
        "--set", "training.weighting=cagrad", "--set", "training.weighting_options.d=0.5",
    )  # fmt: skip
    assert asked.exit_code == 2
    assert "training.weighting_options: `weighting_options` must be one of 'c'" in asked.stderr
