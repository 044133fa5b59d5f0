"""A model whose ids have no row each goes into the SavedModel as any other."""

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf import ExportConfig
from recsys_tf.export import ServedRecommender, export_saved_model
from recsys_tf.features.tf_example import read_examples, write_examples
from recsys_tf.models import Recommender

FEATURES = ("user_id", "history", "item_id", "genres")
CHOSEN = {
    "id_tables": {"user_id": "compositional", "item_id": "hashed", "genres": "hashed"},
    "id_table_options": {"item_id": {"num_buckets": 20}},
    "frequency_gates": {"item_id": 2},
}


@pytest.fixture(scope="module")
def model(small_data):
    """Untrained, of few features and drawn items, of which those of even index have been met."""
    schema = small_data.schema
    features = tuple(schema.feature(name) for name in FEATURES)
    tasks = tuple(schema.task(name) for name in ("watch", "rating"))
    schema = schema.model_copy(update={"features": features, "tasks": tasks, "scenario": None})
    config = small_data.config.model.model_copy(update=CHOSEN)
    model = Recommender(schema, small_data.state.num_indices_by_name, config)
    encoder = model.candidate_tower.get_layer("item_id_encoder")
    buckets = encoder.embedding.buckets.embeddings
    buckets.assign(np.random.default_rng(0).normal(size=buckets.shape))
    encoder.gate.counts.assign(2 - 2 * (np.arange(encoder.num_indices) % 2))
    return model


@pytest.fixture(scope="module")
def loaded(model, small_data, tmp_path_factory):
    config = ExportConfig(num_candidates=60, max_k=60)
    served = ServedRecommender(model, small_data.preprocessor, small_data.catalogue, config)
    folder = export_saved_model(served, tmp_path_factory.mktemp("id_tables") / "1")
    return tf.saved_model.load(str(folder)), served


def test_rows_are_scored_as_by_the_model(loaded, model, small_data, tmp_path):
    rows = small_data.rows("test")[-8:]
    write_examples(
        small_data.examples("test", rows), small_data.catalogue, small_data.schema, tmp_path
    )
    serialized = next(iter(read_examples(tmp_path).batch(8)))
    found = loaded[0].signatures["evaluate"](examples=serialized)
    (features,) = small_data.dataset("test", rows).map(lambda features, *_: features)
    expected = model.predict_step((features,))
    for name in ("watch", "rating"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-5)
    assert np.ptp(found["watch"]) > 0.1


def test_answer_counts_nothing_and_is_the_same_again(loaded, asking, known):
    saved, served = loaded
    users, histories = known
    ask = asking(saved.signatures["recommend"], served)
    answers = [ask(users, histories, [5, 5]) for _ in range(3)]
    assert all(answers[0]["item_ids"].numpy()[0] != b"")
    for each in answers[1:]:
        np.testing.assert_array_equal(each["scores"], answers[0]["scores"])
