"""Every block takes its own options from the configuration, and wrong ones are told at once."""

import pytest

from recsys_tf import ModelConfig, NumericFeature, SpecError, TableSchema, TaskSpec, TrainingConfig
from recsys_tf.config import RunConfig
from recsys_tf.encoders import (
    FUSIONS,
    HISTORY_BLOCKS,
    HISTORY_ENCODERS,
    ConcatFusion,
    make_encoder,
    make_fusion,
)
from recsys_tf.models import Ranker
from recsys_tf.models.block_options import check_blocks
from recsys_tf.schema import CategoricalFeature, HistoryFeature, ScenarioSpec
from recsys_tf.sequences import SEQUENCE_ENCODERS
from recsys_tf.training import fit, new_ranker

SCHEMA = TableSchema(
    features=(
        NumericFeature(name="age", side="user"),
        CategoricalFeature(name="shop", side="context"),
    ),
    tasks=tuple(TaskSpec(name=name, kind="binary", label=name) for name in ("click", "buy")),
    scenario=ScenarioSpec(feature="shop"),
)
HISTORY = HistoryFeature(name="history", side="user", of="item_id")
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


@pytest.mark.parametrize(
    ("name", "options", "found"),
    [
        ("bag", {"length_power": 1.0}, {"length_power": 1.0}),
        ("attention", {"hidden_dim": 3}, {"hidden_dim": 3, "length_power": 1.0}),
        ("mean", {"length_power": 0.25}, {"length_power": 0.25}),
        ("root_mean", {}, {"length_power": 0.5}),
        ("sasrec", {"num_layers": 1}, {"num_layers": 1, "max_length": 100}),
        ("bert4rec", {"max_length": 7}, {"max_length": 7}),
        ("gru4rec", {"dropout": 0.1}, {"dropout": 0.1}),
    ],
)
def test_options_of_the_history_reach_its_block(name, options, found):
    config = ModelConfig(embedding_dim=4, history_encoder=name, history_encoder_options=options)
    check_blocks(config)
    encoder = make_encoder(HISTORY, {"item_id": 9}, config)
    block = encoder if name == "bag" else encoder.pooling
    block = block.encoder if name in SEQUENCE_ENCODERS else block
    assert type(block) is HISTORY_BLOCKS[name]
    assert found.items() <= block.get_config().items()


def test_every_history_encoder_has_a_block_that_takes_its_options():
    assert set(HISTORY_BLOCKS) == set(HISTORY_ENCODERS)


def test_options_of_a_fusion_reach_it(monkeypatch):
    class Scaled(ConcatFusion):
        def __init__(self, scale=1.0, **kwargs):
            super().__init__(**kwargs)
            self.scale = scale

    monkeypatch.setitem(FUSIONS, "scaled", Scaled)
    config = ModelConfig(fusion="scaled", fusion_options={"scale": 0.5})
    check_blocks(config)
    assert make_fusion(config).scale == 0.5


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
        fusion="gates",
        history_encoder="bag",
        history_encoder_options={"history_dropout": 0.1, "hidden_dim": 8},
        cross="gdcn",
        cross_options={"num_layer": 3, "hidden_dims": (8,)},
        multiscenario="start",
        multiscenario_options={"num_layers": 2},
        multitask_options={"num_experts": 2, "name": "mine", "task_names": ("click",)},
        chain="escm2",
    )
    training = TrainingConfig(
        weighting="mgda", weighting_options={"alpha": 0.5}, table_optimizer="adagrd"
    )
    with pytest.raises(SpecError) as error:
        new_ranker(RunConfig(model=model, training=training), SCHEMA, {}, {})
    assert str(error.value).splitlines() == [
        "The choice of blocks has 12 faults:",
        "  model.fusion: `fusion` must be one of 'concat', 'gated', received 'gates'. "
        "Did you mean 'gated'?",
        "  model.history_encoder_options: `history_encoder_options` must not hold "
        "'history_dropout', which the field `history_dropout` gives.",
        "  model.history_encoder_options: `history_encoder_options` must be one of "
        "'length_power', received 'hidden_dim'.",
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
        "  model.chain: `chain` must be one of 'escm2_dr', 'escm2_ips', 'esmm', 'none', received "
        "'escm2'. Did you mean 'escm2_dr' or 'escm2_ips' or 'esmm'?",
        "  training.weighting_options: `weighting_options` must be empty, as 'mgda' has no "
        "options, received 'alpha'.",
        "  training.table_optimizer: `table_optimizer` must be one of 'adagrad', 'adam', 'ftrl', "
        "received 'adagrd'. Did you mean 'adagrad' or 'adam'?",
    ]


def test_block_without_options_of_its_own_says_so():
    with pytest.raises(SpecError, match="must be empty, as 'fm' has no options, received 'dtype'"):
        check_blocks(ModelConfig(cross="fm", cross_options={"dtype": "float16"}))
    with pytest.raises(SpecError, match="must be empty, as 'gated' has no options, received 'num'"):
        check_blocks(ModelConfig(fusion="gated", fusion_options={"num": 2}))


def test_model_refuses_a_wrong_option_too():
    expected = r"The choice of blocks has 1 fault:\n  model.multitask_options: "
    with pytest.raises(SpecError, match=expected):
        Ranker(SCHEMA, {"shop": 4}, ModelConfig(multitask_options={"num_levels": 2}))
