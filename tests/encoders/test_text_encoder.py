import builtins

import keras
import numpy as np
import pytest
from keras import ops

from recsys_tf import schema
from recsys_tf.config import ModelConfig, TextConfig
from recsys_tf.encoders import TextEncoder, make_encoder, make_text_backbone
from recsys_tf.encoders.text_backbone import import_keras_nlp, load_text_backbone

pytest.importorskip("keras_nlp", reason="needs the extra `text`")

TITLE = schema.TextFeature(name="title", side="item", max_tokens=6)
TEXT = TextConfig(num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=8)
IDS = np.array([[2, 5, 6, 3, 0, 0], [2, 7, 3, 0, 0, 0], [0, 0, 0, 0, 0, 0]])


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(7)
    return make_encoder(TITLE, {"title": 64}, ModelConfig(embedding_dim=4, text=TEXT))


def test_padding_and_the_length_of_the_input_do_not_count(encoder):
    wide = ops.convert_to_numpy(encoder(IDS))
    narrow = ops.convert_to_numpy(encoder(IDS[:, :4]))
    np.testing.assert_allclose(wide, narrow, rtol=1e-4, atol=1e-5)


def test_text_without_a_token_gives_the_bias(encoder):
    encoder(IDS)
    bias = ops.convert_to_numpy(encoder.projection.bias) + 0.25
    encoder.projection.bias.assign(bias)
    np.testing.assert_allclose(ops.convert_to_numpy(encoder(IDS))[2], bias, rtol=1e-6)


def test_vector_is_the_mean_over_the_tokens(encoder):
    inputs = {"token_ids": IDS, "padding_mask": IDS != 0, "segment_ids": np.zeros_like(IDS)}
    tokens = encoder.backbone({name: ops.convert_to_tensor(x) for name, x in inputs.items()})
    tokens = ops.convert_to_numpy(tokens["sequence_output"])
    wanted = [tokens[0, :4].mean(axis=0), tokens[1, :3].mean(axis=0), np.zeros(8)]
    found = ops.convert_to_numpy(encoder.pool(IDS))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_frozen_backbone_leaves_the_projection_to_train():
    frozen = TEXT.model_copy(update={"is_trainable": False})
    encoder = make_encoder(TITLE, {"title": 64}, ModelConfig(embedding_dim=4, text=frozen))
    outputs = [ops.convert_to_numpy(encoder(IDS, training=each)) for each in (True, False)]
    np.testing.assert_array_equal(*outputs)
    assert [each.name for each in encoder.trainable_weights] == ["kernel", "bias"]


def test_unread_part_of_the_backbone_is_not_trained(encoder):
    encoder(IDS)
    assert not any("pooled" in each.path for each in encoder.trainable_weights)


def test_vocabulary_has_the_size_that_was_fitted():
    config = ModelConfig(embedding_dim=4, text=TEXT)
    assert make_encoder(TITLE, {"title": 70}, config).backbone.vocabulary_size == 70
    assert make_encoder(TITLE, {}, config).backbone.vocabulary_size == TEXT.vocabulary_size


def test_saved_encoder_is_loaded_without_its_preset(tmp_path):
    backbone = make_text_backbone(64, 1, 2, 8, 8, max_tokens=6)
    backbone.save_to_preset(str(tmp_path / "preset"))
    text = TextConfig(preset=str(tmp_path / "preset"), is_trainable=False)
    encoder = make_encoder(TITLE, {"title": 64}, ModelConfig(embedding_dim=4, text=text))
    inputs = keras.Input((6,), dtype="int64")
    model = keras.Model(inputs, encoder(inputs))
    model.save(tmp_path / "model.keras")
    (tmp_path / "preset").rename(tmp_path / "gone")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(*(ops.convert_to_numpy(each(IDS)) for each in (model, loaded)))
    wanted = ops.convert_to_numpy(backbone.token_embedding.embeddings)
    found = ops.convert_to_numpy(encoder.backbone.token_embedding.embeddings)
    np.testing.assert_array_equal(found, wanted)


def test_preset_that_is_nowhere_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`preset` must be a keras-nlp name or a local folder"):
        load_text_backbone(str(tmp_path))


def test_text_longer_than_the_backbone_reads_is_refused(encoder):
    with pytest.raises(ValueError, match=r"`token_ids` must have at most 6 tokens.*received 9"):
        TextEncoder(4, encoder.backbone)(np.ones([2, 9], "int64"))


def test_model_that_is_no_text_backbone_is_refused():
    inputs = keras.Input((4,))
    with pytest.raises(ValueError, match="`backbone` must have the inputs 'token_ids'"):
        TextEncoder(4, keras.Model(inputs, inputs * 2))


def test_missing_keras_nlp_names_the_extra(monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "keras_nlp":
            raise ImportError("No module named 'keras_nlp'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"pip install 'recsys_tf\[text\]'"):
        import_keras_nlp()
