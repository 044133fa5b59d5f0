"""A sequential recommender by the commands alone: a run with `sequence`."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys_tf.cli.failures import Failure
from recsys_tf.cli.kinds import NextItems
from recsys_tf.cli.run_folder import RunFolder
from recsys_tf.config import RunConfig, SequenceConfig
from recsys_tf.metrics import exposure_gini

# Every kind of input: times and kinds of action of the events, genres of the items.
SEQUENCE_RUN = {
    "data": {"dataset": "synthetic", "split": "last_out"},
    "sequence": {
        "embedding_dim": 8,
        "max_length": 6,
        "encoder": "gru4rec",
        "has_times": True,
        "actions": ["0", "1"],
        "action_column": "click",
        "content_features": ["genres"],
    },
    "training": {"batch_size": 16, "epochs": 3, "steps_per_execution": 1, "patience": 3},
    "evaluation": {"cutoffs": [5]},
    "export": {"max_k": 7},
}


@pytest.fixture
def sequence_run(tmp_path):
    """A file that describes a run of three epochs of a small sequential recommender."""
    path = tmp_path / "sequences.yaml"
    RunConfig.from_dict(SEQUENCE_RUN).to_yaml(path)
    return path


@pytest.mark.slow
def test_data_become_answers(
    call, small_synthetic, sequence_run, interrupted_once, weights, tmp_path
):
    run, models = tmp_path / "run", tmp_path / "models"
    train = ["train", "--config", sequence_run, "--out", run]

    stopped = call(*train)
    assert stopped.exit_code == 130, stopped.stderr
    assert "interrupted after 1 of 3 epochs; the same command goes on" in stopped.stderr
    trained = call(*train)
    assert trained.exit_code == 0, trained.stderr
    assert "going on from the last checkpoint" in trained.stderr
    assert interrupted_once == [0, 1, 1, 2]
    history = json.loads((run / "history.json").read_text())
    assert [len(history[name]) for name in ("loss", "val_loss", "val_ndcg_at_10")] == [3, 3, 3]
    assert "holds a finished run" in call(*train).stderr

    # Broken off or not, the model is the same one.
    gone_on = weights(run)
    at_once = call(*train, "--overwrite")
    assert at_once.exit_code == 0, at_once.stderr
    assert interrupted_once == [0, 1, 1, 2, 0, 1, 2]
    for mine, other in zip(gone_on, weights(run), strict=True):
        assert mine == pytest.approx(other, abs=1e-5)

    measured = call("evaluate", "--run", run, "--baselines", "popularity", "--json")
    assert measured.exit_code == 0, measured.stderr
    values = json.loads(measured.stdout)
    assert set(values["model"]) == set(values["popularity"])
    assert 0 < values["model"]["watch/hit_at_5"] < 1

    exported = call("export", "--run", run, "--out", models)
    assert exported.exit_code == 0, exported.stderr
    assert (models / "1" / "assets.extra" / "sequence.yaml").is_file()

    ask = ["recommend", "--model-dir", models, "--config", run / "run.yaml", "--json"]
    asked = call(*ask, "--user", "someone", "--history", "i00001,i00002", "--k", 3)
    assert asked.exit_code == 0, asked.stderr
    answer = json.loads(asked.stdout)
    assert len(set(answer["items"]) - {"i00001", "i00002"}) == len(answer["scores"]) == 3
    assert all(answer["titles"])
    assert answer["tasks"] == {}
    # A known user, with the times and the kinds of his events; of the run's longest list.
    asked = call(*ask, "--user", "u00001", "--k", 20)
    assert asked.exit_code == 0, asked.stderr
    assert len(json.loads(asked.stdout)["items"]) == 7


def test_step_is_profiled(call, small_synthetic, sequence_run):
    asked = call("profile", "--config", sequence_run, "--rounds", 1, "--json")
    assert asked.exit_code == 0, asked.stderr
    assert json.loads(asked.stdout)["whole_ms"] > 0


@pytest.mark.pipeline
@pytest.mark.parametrize("command", ["pipeline", "demo"])
def test_pipeline_says_what_to_do_before_any_work(command, call, tmp_path):
    data = ["--dataset", "ml-1m", "--data-dir", tmp_path / "none"]
    asked = call(command, *data, "--root", tmp_path / "root", "--set", "sequence.encoder=gru4rec")
    assert asked.exit_code == 2
    assert "sequence: must be left out for the TFX pipeline" in asked.stderr
    assert "`recsys-tf train`, `evaluate` and `export`" in asked.stderr
    assert not (tmp_path / "root").exists()


def test_unknown_encoder_is_told_before_the_data_are_read(call, tmp_path):
    asked = call(
        "train", "--preset", "ml-1m-sequences", "--data-dir", tmp_path / "none",
        "--out", tmp_path / "run", "--set", "sequence.encoder=sasrek",
    )  # fmt: skip
    assert asked.exit_code == 2
    assert "Did you mean 'sasrec'" in asked.stderr


def test_model_of_another_kind_is_refused(tmp_path):
    import keras

    RunConfig.from_dict(SEQUENCE_RUN).to_yaml(tmp_path / "run.yaml")
    keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]).save(tmp_path / "model.keras")
    with pytest.raises(Failure, match="holds a Sequential, no SequenceRecommender"):
        RunFolder(tmp_path).load_model()


def test_encoder_of_both_directions_is_asked_for_masked_events(small_data):
    sequence = SequenceConfig(embedding_dim=8, max_length=4, encoder="bert4rec")
    run = RunConfig(data=small_data.config.data, sequence=sequence)
    kind = NextItems(replace(small_data, config=run))
    model = kind.build()
    for batches in (kind.train_batches(model), kind.validation_batches(model)):
        features, *_ = next(iter(batches))
        assert (features["items"].numpy() == model.mask_index).any()


def test_new_items_of_a_changed_catalogue_are_exported_by_their_content(small_data, tmp_path):
    import tensorflow as tf

    sequence = SequenceConfig(embedding_dim=8, max_length=4, content_features=("genres",))
    run = RunConfig(data=small_data.config.data, sequence=sequence)
    model = NextItems(replace(small_data, config=run)).build()
    items = small_data.interactions.items
    genre = small_data.state.vocabularies["genres"][0]
    more = items.iloc[[0]].assign(item_id="new", genres=[[genre]])
    today = replace(small_data.interactions, items=pd.concat([items, more]))
    NextItems(replace(small_data, config=run, interactions=today)).export(model, tmp_path / "1")
    recommend = tf.saved_model.load(str(tmp_path / "1")).signatures["recommend"]
    answer = recommend(history=tf.constant([[items["item_id"].iloc[0]]]), k=tf.constant([100]))
    assert b"new" in answer["item_ids"].numpy()


def test_a_sequential_run_is_measured_by_slice_and_with_intervals(small_synthetic):
    evaluation = {"cutoffs": [5], "slices": ["gender"], "confidence": 0.9}
    lists = ["novelty", "gini", "intra_list_diversity"]
    run = RunConfig.from_dict({**SEQUENCE_RUN, "evaluation": {**evaluation, "metrics": lists}})
    kind = NextItems.load(run)
    measured = kind.measure(kind.build(), "test", lambda _: None)
    value = measured.metrics["watch/ndcg_at_5"]
    low, high = measured.intervals()["watch/ndcg_at_5"]
    assert low <= value <= high
    slices = measured.slices()
    counts = [each["watch/num_users"] for each in slices.values()]
    assert sum(counts) == measured.ranking.user_indexes.size
    mean = sum(
        n * each["watch/ndcg_at_5"] for n, each in zip(counts, slices.values(), strict=True) if n
    )
    assert mean / sum(counts) == pytest.approx(value)

    top_items, data = measured.ranking.top_items, kind.data
    events, items = data.interactions.events, data.interactions.items["item_id"]
    assert measured.metrics["watch/gini_at_5"] == exposure_gini(top_items, len(items))
    known = events.iloc[data.known_rows("test")]
    counts = items.map(known.groupby("item_id")["user_id"].nunique()).fillna(0).to_numpy()
    bits = -np.log2(np.maximum(counts, 1) / known["user_id"].nunique())
    assert measured.metrics["watch/novelty_at_5"] == pytest.approx(bits[top_items].mean())
    # By the vectors that the items are scored by.
    assert 0 < measured.metrics["watch/intra_list_diversity_at_5"] <= 2
    assert measured.intervals().keys() >= {"watch/novelty_at_5"}
