"""What a sequential recommender reads of each step besides the item's id."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf import SequenceConfig, SpecError
from recsys_tf.models import SequenceRecommender

NUM_INDICES = 12
SIZES = {"embedding_dim": 8, "max_length": 6, "dropout": 0.0, "encoder_options": {"num_layers": 1}}
CONTENT = np.random.default_rng(0).normal(size=(NUM_INDICES, 3)).astype("float32")
HISTORY = {
    "items": np.array([[3, 4, 5, 0]]),
    "actions": np.array([[2, 3, 1, 0]]),
    "times": np.array([[100, 200, 5000, 0]]),
}


def make_model(encoder="sasrec", content=CONTENT, **fields):
    keras.utils.set_random_seed(0)
    given = {"has_times": True, "actions": ("view", "buy"), **fields}
    config = SequenceConfig(encoder=encoder, **SIZES, **given)
    model = SequenceRecommender(NUM_INDICES, config, content)
    # Large enough to be seen in the scores.
    for variable in model.trainable_variables:
        if "table" in variable.path or "kernel" in variable.name:
            variable.assign(variable + 0.3 * np.random.default_rng(1).normal(size=variable.shape))
    return model


@pytest.fixture(scope="module", params=["sasrec", "hstu", "bert4rec"])
def model(request):
    return make_model(request.param)


def changed(**columns):
    return {**HISTORY, **{name: np.array([each]) for name, each in columns.items()}}


@pytest.mark.parametrize(
    "change",
    [{"actions": [2, 2, 1, 0]}, {"times": [100, 4990, 5000, 0]}],
    ids=["another action", "another time"],
)
def test_a_step_is_read_with_its_action_and_its_time(model, change):
    before, after = model.scores(HISTORY), model.scores(changed(**change))
    assert np.abs(before - after)[0, 2:].max() > 1e-4


def test_only_the_time_between_steps_counts(model):
    later = changed(times=[1_000_100, 1_000_200, 1_005_000, 77])
    np.testing.assert_allclose(model.scores(HISTORY), model.scores(later), atol=1e-5)


def test_times_out_of_order_give_finite_scores(model):
    scores = model.scores(changed(times=[5000, -200, 2**40, 0])).numpy()
    assert np.isfinite(scores).all()


def test_what_stands_at_padding_is_not_read(model):
    other = changed(actions=[2, 3, 1, 3], times=[100, 200, 5000, 9])
    np.testing.assert_array_equal(model.scores(HISTORY), model.scores(other))


def test_a_masked_event_shows_neither_action_nor_time():
    model = make_model("bert4rec")
    masked = changed(items=[3, model.mask_index, 5, 0])
    other = {**masked, "actions": np.array([[2, 2, 1, 0]])}
    np.testing.assert_array_equal(model(masked), model(other))


def test_content_is_added_where_an_item_is_read_and_where_it_is_scored(model):
    kernel = model.item_content.kernel.numpy()
    own = model.item_encoder.table.numpy()
    with_content = own + np.pad(CONTENT[2:], [(2, 0), (0, 0)]) @ kernel
    np.testing.assert_allclose(model.item_vectors, with_content, atol=1e-6)
    state = model.last_states(HISTORY).numpy()
    np.testing.assert_allclose(
        model.scores(HISTORY)[:, 2:], state @ with_content[2:].T, rtol=1e-4, atol=1e-5
    )
    plain = make_model(model.config.encoder, None)
    plain.set_weights([v.numpy() for v in model.variables if "item_content" not in v.path])
    # The same item vectors, held by the table alone, are read as the same events.
    plain.item_encoder.table.assign(with_content)
    np.testing.assert_allclose(plain(HISTORY), model(HISTORY), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loss", ["full_softmax", "in_batch", "gbce", "bpr"])
def test_every_variable_learns(loss):
    model = make_model("hstu", loss=loss)
    labels = np.array([[4, 5, 6, 0]])
    with tf.GradientTape() as tape:
        value = model.compute_loss({}, labels, model(HISTORY, training=True))
    variables = model.trainable_variables
    gradients = tape.gradient(value, [each.value for each in variables])
    for variable, gradient in zip(variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(tf.convert_to_tensor(gradient)).all()
    assert any("item_content/kernel" in each.path for each in variables)


def test_a_saved_model_keeps_content_and_answers_as_before(model, tmp_path):
    path = tmp_path / "model.keras"
    model.save(path)
    again = keras.models.load_model(path)
    np.testing.assert_array_equal(again.item_content.content, model.item_content.content)
    np.testing.assert_array_equal(
        again.predict(HISTORY, verbose=0), model.predict(HISTORY, verbose=0)
    )


def test_evaluation_reads_all_columns(model):
    model.compile("adam")
    items = HISTORY["items"]
    if model.mask_index is not None:
        items = np.array([[3, 4, 5, model.mask_index]])
    place = 2 if model.mask_index is None else 3
    labels = np.zeros_like(items)
    labels[0, place] = 7
    values = model.test_step(({**HISTORY, "items": items}, labels))
    assert np.isfinite(float(values["loss"]))


@pytest.mark.parametrize("name", ["items", "actions", "times"])
def test_a_column_that_is_not_given_is_named(model, name):
    batch = {key: each for key, each in HISTORY.items() if key != name}
    for ask in (model, model.scores, model.last_states, model.predict_step):
        with pytest.raises(ValueError, match=f"`inputs` must hold '{name}'.*columns=config.step_"):
            ask(batch)


@pytest.mark.parametrize("name", ["items", "actions", "times"])
def test_columns_of_floats_are_refused(model, name):
    with pytest.raises(TypeError, match=f"`{name}` must be integers"):
        model({**HISTORY, name: HISTORY[name].astype("float32")})


@pytest.mark.parametrize(
    "content", [np.zeros([NUM_INDICES - 1, 3]), np.zeros(NUM_INDICES), np.full([12, 2], np.inf)]
)
def test_content_of_another_size_is_refused(content):
    with pytest.raises(ValueError, match="`content` must be"):
        SequenceRecommender(NUM_INDICES, SequenceConfig(**SIZES), content)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"action_column": "kind"}, "action_column: has no meaning without the names of `actions`"),
        ({"actions": ("a", "a")}, "actions: must be different names, none empty"),
        ({"content_features": ("",)}, "content_features: must be different names, none empty"),
    ],
)
def test_faults_of_the_steps_are_told(fields, fault):
    with pytest.raises(SpecError, match=fault):
        SequenceConfig.from_dict(fields)


def test_the_encoders_times_are_those_of_the_configuration():
    config = SequenceConfig(encoder="hstu", encoder_options={"has_times": True})
    with pytest.raises(SpecError, match="must not hold 'has_times', which the field `has_times`"):
        SequenceRecommender(NUM_INDICES, config)


def test_packed_rows_have_no_last_state(model):
    packed = {**HISTORY, "positions": np.array([[0, 0, 1, 0]])}
    assert np.isfinite(np.array(model(packed))).all()
    with pytest.raises(ValueError, match="must hold one sequence a row, received 'positions'"):
        model.predict(packed, verbose=0)
