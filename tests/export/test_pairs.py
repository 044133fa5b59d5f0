"""What reads a user and an item together goes into the SavedModel, which answers as the model.

That is the bilinear model and the target attention, in `rank`, `recommend` and `evaluate`.
"""

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf import BilinearConfig, ExportConfig
from recsys_tf.export import ServedRecommender, export_saved_model
from recsys_tf.features.tf_example import parse_raw, read_examples, write_examples
from recsys_tf.models import Recommender

NUM_ROWS = 8
FEATURES = ("user_id", "history", "item_id", "genres", "release_year")
TASKS = ("watch", "click", "rating")


@pytest.fixture(scope="module")
def model(small_data):
    """Untrained, with drawn matrices, so that no two units count alike; of few features."""
    schema = small_data.schema
    features = tuple(schema.feature(name) for name in FEATURES)
    tasks = tuple(schema.task(name) for name in TASKS)
    schema = schema.model_copy(update={"features": features, "tasks": tasks, "scenario": None})
    bilinear = BilinearConfig(query_feature="history", candidate_feature="genres")
    changes = {"bilinear": bilinear, "target_attention": "din"}
    config = small_data.config.model.model_copy(update=changes)
    model = Recommender(schema, small_data.state.num_indices_by_name, config)
    rng = np.random.default_rng(0)
    # Apart from the start, where all items are alike in all but the towers.
    encoder = model.candidate_tower.get_layer("genres_encoder")
    encoder.table.embedding.embeddings.assign(
        rng.normal(size=encoder.table.embedding.embeddings.shape)
    )
    # Loud beside the matrices, since fresh items are almost nothing.
    model.trunk.get_layer("target_attention").layers[-1].bias.assign([30.0])
    for task in schema.ranking_tasks:
        model.trunk.get_layer(f"{task.name}_bilinear").kernel.assign(9 * rng.normal(size=(16, 16)))
    return model


@pytest.fixture(scope="module")
def loaded(model, small_data, tmp_path_factory):
    config = ExportConfig(num_candidates=60, max_k=60, score_weights={"click": 1.0})
    served = ServedRecommender(model, small_data.preprocessor, small_data.catalogue, config)
    folder = export_saved_model(served, tmp_path_factory.mktemp("pairs") / "1")
    return tf.saved_model.load(str(folder))


@pytest.fixture(scope="module")
def serialized(small_data, tmp_path_factory):
    """A few test rows as the pipeline writes them."""
    folder = tmp_path_factory.mktemp("rows")
    rows = small_data.rows("test")[-NUM_ROWS:]
    examples = small_data.examples("test", rows)
    write_examples(examples, small_data.catalogue, small_data.schema, folder)
    return next(iter(read_examples(folder).batch(NUM_ROWS)))


@pytest.fixture(scope="module")
def raw(model, serialized):
    """They as the signature `rank` takes them."""
    parsed = parse_raw(serialized, model.schema)
    return {name: dense(values) for name, values in parsed.items()}


def dense(values):
    if not isinstance(values, tf.RaggedTensor):
        return values
    return values.to_tensor("" if values.dtype == tf.string else float("nan"))


def test_pairs_are_scored_as_by_the_model(loaded, model, small_data, raw, serialized):
    found = loaded.signatures["rank"](**raw)
    evaluated = loaded.signatures["evaluate"](examples=serialized)
    rows = small_data.rows("test")[-NUM_ROWS:]
    dataset = small_data.dataset("test", rows).map(lambda features, *_: features)
    (features,) = dataset
    expected = model.predict_step((features,))
    for name in TASKS:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(evaluated[name], expected[name], rtol=1e-4, atol=1e-5)
    assert np.ptp(found["click"]) > 0.1
    # The matrices have their say in it, and so has the attention's last bias.
    attention = model.trunk.get_layer("target_attention")
    for weights in (model.trunk.get_layer("click_bilinear").kernel, attention.layers[-1].bias):
        kept = np.array(weights)
        weights.assign(np.zeros_like(kept))
        without = model.predict_step((features,))["click"]
        weights.assign(kept)
        assert np.abs(without - expected["click"]).max() > 0.05


def test_items_of_an_answer_have_the_scores_of_their_pairs(loaded, model, small_data, raw):
    query = {each.name for each in model.schema.query_features} | {"history_rating"}
    asked = {name: values[:2] for name, values in raw.items() if name in query}
    answer = loaded.signatures["recommend"](**asked, k=tf.constant([60]))
    user, place = np.nonzero(answer["item_ids"].numpy() != b"")
    assert len(user) > 60
    ids = [each.decode() for each in answer["item_ids"].numpy()[user, place]]
    catalogue = small_data.catalogue
    position = {each: row for row, each in enumerate(catalogue.columns["item_id"])}
    rows = [position[each] for each in ids]
    pairs = {name: tf.gather(values, user) for name, values in asked.items()}
    for each in model.schema.candidate_features:
        if each.name in catalogue.columns:
            values = catalogue.columns[each.name][rows]
            is_text = values.dtype == object
            pairs[each.name] = tf.constant(values if is_text else values.astype("float32"))
        else:
            sets = [catalogue.lists[each.name].row(row).tolist() for row in rows]
            pairs[each.name] = tf.ragged.constant(sets, dtype=tf.string).to_tensor("")
    expected = loaded.signatures["rank"](**pairs)
    for name in TASKS:
        found = answer[name].numpy()[user, place]
        np.testing.assert_allclose(found, expected[name], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(answer["scores"], answer["click"], rtol=1e-6)
    assert np.all(np.diff(answer["scores"].numpy()[0][: sum(user == 0)]) <= 0)
