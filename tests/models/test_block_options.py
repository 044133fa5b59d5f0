"""Every block takes its own options from the configuration, and wrong ones are told at once."""

import pytest

from recsys_tf import ModelConfig, NumericFeature, SpecError, TableSchema, TaskSpec, TrainingConfig
from recsys_tf.config import RunConfig
from recsys_tf.initialization import new_ranker
from recsys_tf.models import Ranker
from recsys_tf.models.block_options import check_blocks
from recsys_tf.schema import CategoricalFeature, ScenarioSpec
from recsys_tf.training import fit

SCHEMA = TableSchema(
    features=(
        NumericFeature(name="age", side="user"),
        CategoricalFeature(name="shop", side="context"),
    ),
    tasks=tuple(TaskSpec(name=name, kind="binary", label=name) for name in ("click", "buy")),
    scenario=ScenarioSpec(feature="shop"),
)
CONFIG = ModelConfig(
    embedding_dim=4,
    trunk_dims=(),
    expert_dim=4,
    head_dims=(),
    dropout=0.1,
    cross="dcn_v2",
    cross_dims=(4,),
    cross_options={"num_layers": 3, "structure": "parallel"},
    multiscenario="hinet",
    scenario_dim=4,
    multiscenario_options={"num_experts": 2, "num_scenario_experts": 1, "dropout": 0.3},
    multitask_options={"num_layers": 2},
)


@pytest.fixture(scope="module")
def ranker():
    return Ranker(SCHEMA, {"shop": 4}, CONFIG)


def test_options_reach_their_blocks(ranker):
    found = {
        name: ranker.core.get_layer(name).get_config()
        for name in ("cross", "multiscenario", "multitask")
    }
    assert (found["cross"]["num_layers"], found["cross"]["structure"]) == (3, "parallel")
    assert found["cross"]["dropout"] == 0.1
    scenario = found["multiscenario"]
    assert (scenario["num_experts"], scenario["num_scenario_experts"]) == (2, 1)
    assert scenario["dropout"] == 0.3  # Its own goes before the model's.
    assert (found["multitask"]["num_layers"], found["multitask"]["dropout"]) == (2, 0.1)


def test_options_are_saved_with_the_model(ranker):
    assert Ranker.from_config(ranker.get_config()).config == CONFIG


def test_options_of_the_weighting_reach_it(ranker, monkeypatch):
    monkeypatch.setattr(Ranker, "fit", lambda *_, **__: None)

    class Rows:
        def cardinality(self):
            return 1

    fit(ranker, Rows(), None, TrainingConfig(weighting="cagrad", weighting_options={"c": 0.2}))
    assert (ranker.weighting.c, ranker.weighting.task_names) == (0.2, ("click", "buy"))


def test_all_faults_are_reported_with_their_paths_before_anything_is_built():
    model = ModelConfig(
        cross="gdcn",
        cross_options={"num_layer": 3, "hidden_dims": (8,)},
        multiscenario="start",
        multiscenario_options={"num_layers": 2},
        multitask_options={"num_experts": 2, "name": "mine", "task_names": ("click",)},
    )
    training = TrainingConfig(weighting="mgda", weighting_options={"alpha": 0.5})
    with pytest.raises(SpecError) as error:
        new_ranker(RunConfig(model=model, training=training), SCHEMA, {}, {})
    assert str(error.value).splitlines() == [
        "The choice of blocks has 7 faults:",
        "  model.cross_options: `cross_options` must be one of 'dropout', 'num_layers', "
        "'structure', received 'num_layer'. Did you mean 'num_layers'?",
        "  model.cross_options: `cross_options` must not hold 'hidden_dims', which the field "
        "`cross_dims` gives.",
        "  model.multiscenario: `multiscenario` must be one of 'ada_sparse', 'hinet', 'm2m', "
        "'pepnet', 'sar_net', 'star', received 'start'. Did you mean 'star' or 'sar_net'?",
        "  model.multitask_options: `multitask_options` must not hold 'num_experts', which the "
        "field `num_experts` gives.",
        "  model.multitask_options: `multitask_options` must be one of 'dropout', 'num_layers', "
        "received 'name'.",
        "  model.multitask_options: `multitask_options` must be one of 'dropout', 'num_layers', "
        "received 'task_names'.",
        "  training.weighting_options: `weighting_options` must be empty, as 'mgda' has no "
        "options, received 'alpha'.",
    ]


def test_block_without_options_of_its_own_says_so():
    with pytest.raises(SpecError, match="must be empty, as 'fm' has no options, received 'dtype'"):
        check_blocks(ModelConfig(cross="fm", cross_options={"dtype": "float16"}))


def test_model_refuses_a_wrong_option_too():
    expected = r"The choice of blocks has 1 fault:\n  model.multitask_options: "
    with pytest.raises(SpecError, match=expected):
        Ranker(SCHEMA, {"shop": 4}, ModelConfig(multitask_options={"num_levels": 2}))
