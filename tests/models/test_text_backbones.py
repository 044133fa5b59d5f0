"""A model whose text encoder came from a preset is saved and loaded without it."""

import keras
import numpy as np
import pytest

from recsys_tf import IdFeature, ModelConfig, Schema, TaskSpec, TextConfig, TextFeature
from recsys_tf.encoders import make_text_backbone
from recsys_tf.models import Ranker, Recommender

pytest.importorskip("keras_nlp", reason="needs the extra `text`")

SCHEMA = Schema(
    features=(
        IdFeature(name="user_id", side="user"),
        IdFeature(name="item_id", side="item"),
        TextFeature(name="title", side="item", max_tokens=4),
    ),
    tasks=(TaskSpec(name="like", kind="binary", label="like"),),
)
NUM_INDICES = {"user_id": 5, "item_id": 6, "title": 64}
ROWS = {
    "user_id": np.array([2, 3]),
    "item_id": np.array([4, 5]),
    "title": np.array([[2, 5, 3, 0], [2, 7, 9, 3]]),
}


@pytest.mark.parametrize("kind", [Recommender, Ranker])
def test_saved_model_is_loaded_where_its_preset_is_gone(kind, tmp_path):
    preset = tmp_path / "preset"
    make_text_backbone(64, 1, 2, 8, 8, max_tokens=4).save_to_preset(str(preset))
    config = ModelConfig(
        embedding_dim=4,
        trunk_dims=(),
        num_experts=1,
        expert_dim=4,
        head_dims=(),
        text=TextConfig(preset=str(preset)),
    )
    model = kind(SCHEMA, NUM_INDICES, config, dtype="mixed_bfloat16")
    model.save(tmp_path / "model.keras")
    preset.rename(tmp_path / "gone")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected = model(ROWS)
    for name, values in loaded(ROWS).items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)
    # It is as good as new, and what it is saved as needs the preset no more than it does.
    loaded.save(tmp_path / "again.keras")
    again = keras.models.load_model(tmp_path / "again.keras")
    np.testing.assert_array_equal(again(ROWS)["like"], expected["like"])
    with pytest.raises(ValueError, match="`preset` must be a keras-nlp name"):
        kind(SCHEMA, NUM_INDICES, config)


def test_model_that_was_saved_without_its_backbones_reads_the_preset_again(tmp_path):
    make_text_backbone(64, 1, 2, 8, 8, max_tokens=4).save_to_preset(str(tmp_path / "preset"))
    text = TextConfig(preset=str(tmp_path / "preset"))
    model = Ranker(SCHEMA, NUM_INDICES, ModelConfig(embedding_dim=4, text=text))
    config = model.get_config()
    del config["text_backbones"]
    again = Ranker.from_config(config)
    assert [each.shape for each in again.weights] == [each.shape for each in model.weights]
