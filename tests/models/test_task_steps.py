"""The order in which `aitm` hands on what tasks know."""

from recsys_tf import ModelConfig, NumericFeature, TableSchema, TaskSpec
from recsys_tf.models import Ranker

STEPS = {"rating": None, "buy": "cart", "view": None, "cart": "view", "like": "view"}


def step_names(after, multitask="aitm"):
    tasks = tuple(
        TaskSpec(name=name, kind="binary", label=name, after=before)
        for name, before in after.items()
    )
    features = (NumericFeature(name="age", side="user"),)
    sizes = ModelConfig(embedding_dim=2, expert_dim=2, trunk_dims=(), head_dims=(), num_experts=1)
    ranker = Ranker(
        TableSchema(features=features, tasks=tasks),
        {},
        sizes.model_copy(update={"multitask": multitask}),
    )
    return list(ranker.core.get_layer("multitask").task_names)


def test_steps_are_handed_on_as_they_come_after_each_other():
    assert step_names(STEPS) == ["rating", "view", "cart", "buy", "like"]
    assert step_names({"buy": "click", "click": None}) == ["click", "buy"]


def test_saved_model_keeps_the_steps_that_it_was_trained_in():
    model = Ranker(
        TableSchema(
            features=(NumericFeature(name="age", side="user"),),
            tasks=(
                TaskSpec(name="buy", kind="binary", label="buy", after="click"),
                TaskSpec(name="click", kind="binary", label="click"),
            ),
        ),
        {},
        ModelConfig(embedding_dim=2, multitask="aitm", expert_dim=2, trunk_dims=()),
    )
    config = model.get_config()
    again = Ranker.from_config(config)
    assert again.core.get_layer("multitask").task_names == ("click", "buy")
    # One of before, which took the order of the schema, has its weights in that order.
    del config["config"]["multitask_options"]["steps"]
    of_before = Ranker.from_config(config)
    assert of_before.core.get_layer("multitask").task_names == ("buy", "click")
    assert of_before.get_config()["config"]["multitask_options"] == {"steps": ["buy", "click"]}


def test_order_of_the_schema_stays_where_no_block_or_chain_has_another():
    assert step_names(STEPS, "mmoe") == list(STEPS)
    assert step_names(dict.fromkeys(STEPS)) == list(STEPS)
