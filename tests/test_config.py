"""A run's configuration has defaults, a YAML form, and all faults in one error."""

import pytest

from recsys_tf import RunConfig, SequenceConfig, SpecError, TrainingConfig
from recsys_tf.presets import PRESETS


def test_defaults_survive_yaml(tmp_path):
    RunConfig().to_yaml(tmp_path / "run.yaml")
    assert RunConfig.from_yaml(tmp_path / "run.yaml") == RunConfig()


def test_what_is_changed_is_away_from_its_default_wherever_it_stands():
    saved = TrainingConfig.from_dict({**TrainingConfig().to_dict(), "epochs": 77})
    assert saved.changed(["epochs", "weighting"]) == {"epochs": 77}


def test_calibrator_beside_a_chain_is_refused():
    with pytest.raises(
        SpecError, match="model: calibrator_weight: must be 0 with the chain 'esmm'"
    ):
        RunConfig.from_dict({"model": {"chain": "esmm", "calibrator_weight": 0.5}})


def test_every_fault_is_reported_with_its_path():
    with pytest.raises(SpecError) as error:
        RunConfig.from_dict(
            {
                "model": {"dropout": 2, "text": {"hidden_dim": 7}},
                "training": {"epochs": 0},
                "retrieval": {"temperature": 0},
                "taining": {},
            }
        )
    text = str(error.value)
    assert text.startswith("RunConfig has 5 faults:")
    for part in (
        "model.dropout: Input should be less than 1 (received 2)",
        "model.text: hidden_dim: must be a multiple of num_heads (2), received 7",
        "training.epochs:",
        "retrieval.temperature:",
        "taining: Extra inputs are not permitted",
    ):
        assert part in text


def test_export_options_without_their_base_are_faults():
    with pytest.raises(SpecError) as error:
        RunConfig.from_dict(
            {
                "export": {
                    "calibrate_by_scenario": True,
                    "category_feature": "x",
                    "similarity_feature": "x",
                    "list_order": "relevance",
                }
            }
        )
    text = str(error.value)
    assert "export: calibrate_by_scenario: has no meaning without `calibration`" in text
    assert "export: category_feature: has no meaning without a `reranker`" in text
    assert "export: similarity_feature: has no meaning without a `reranker`" in text
    assert "export: list_order: has no meaning without a `reranker`" in text


def test_fusion_options_keep_their_types_in_yaml(tmp_path):
    options = {"offset": 0.5, "num_places": 3, "is_logistic": False, "probability_tasks": ["a"]}
    run = RunConfig.from_dict({"export": {"fusion_options": options}})
    run.to_yaml(tmp_path / "run.yaml")
    found = RunConfig.from_yaml(tmp_path / "run.yaml").export.fusion_options
    assert found == {**options, "probability_tasks": ("a",)}
    assert [type(each) for each in found.values()] == [float, int, bool, tuple]


def test_block_options_keep_their_types_in_yaml(tmp_path):
    options = {
        "num_layers": 3,
        "dropout": 0.5,
        "structure": "parallel",
        "is_on": True,
        "first_gate_fields": [0, 2],
        "regression_tasks": ["rating"],
        "target": None,
    }
    run = RunConfig.from_dict(
        {
            "model": {
                "cross": "dcn_v2",
                "cross_options": options,
                "fusion_options": options,
                "history_encoder_options": options,
                "multiscenario": "star",
                "multiscenario_options": options,
                "multitask_options": options,
            },
            "training": {"weighting_options": options},
        }
    )
    run.to_yaml(tmp_path / "run.yaml")
    again = RunConfig.from_yaml(tmp_path / "run.yaml")
    assert again == run
    expected = {**options, "first_gate_fields": (0, 2), "regression_tasks": ("rating",)}
    found = again.training.weighting_options
    assert found == again.model.cross_options == expected
    assert [type(each) for each in found.values()] == [type(each) for each in expected.values()]


def test_options_without_a_block_and_of_no_plain_value_are_faults():
    with pytest.raises(SpecError) as error:
        RunConfig.from_dict(
            {
                "model": {"cross_options": {"num_layers": 2}, "multiscenario_options": {"x": 1}},
                "training": {"weighting_options": {"c": float("nan")}},
            }
        )
    text = str(error.value)
    assert "model: cross_options: has no meaning without `cross`" in text
    assert "model: multiscenario_options: has no meaning without `multiscenario`" in text
    assert "training.weighting_options.c" in text


def test_bilinear_rank_is_of_the_low_rank_and_below_the_width():
    features = {"query_feature": "history", "candidate_feature": "title"}

    def with_bilinear(**options):
        return RunConfig.from_dict(
            {"model": {"embedding_dim": 8, "bilinear": {**features, **options}}}
        )

    assert with_bilinear(form="low_rank", rank=8).model.bilinear.rank == 8
    for options, text in (
        ({"form": "low_rank"}, "bilinear: rank: must be given with the form 'low_rank'"),
        ({"rank": 2}, "bilinear: rank: must be None but with the form 'low_rank', received 2"),
        ({"form": "low_rank", "rank": 9}, r"bilinear.rank: must be at most embedding_dim \(8\)"),
    ):
        with pytest.raises(SpecError, match=text):
            with_bilinear(**options)


def test_l2_that_walks_whole_tables_is_refused_beside_their_own_optimizer():
    values = {
        "model": {"l2_regularization": 1e-6},
        "training": {"table_optimizer": "adagrad"},
    }
    fault = "training.table_optimizer: must be left out where `model."
    with pytest.raises(SpecError, match=fault):
        RunConfig.from_dict(values)
    # Of a sequence, whose first fault is another, both are told.
    with pytest.raises(SpecError) as error:
        RunConfig.from_dict({**values, "sequence": {}})
    assert str(error.value).startswith("RunConfig has 2 faults:")
    for text in ("model.l2_regularization: has no meaning with `sequence`", fault):
        assert text in str(error.value)


def test_rate_of_tables_without_their_optimizer_is_refused():
    with pytest.raises(SpecError, match="table_learning_rate: has no meaning without"):
        TrainingConfig.from_dict({"table_learning_rate": 0.1})


def test_what_a_ranker_of_a_table_does_not_read_is_refused():
    values = {
        "table": {"test_rows": "published"},
        "sequence": {"max_length": 20},
        "features_and_tasks": {
            "features": [
                {"kind": "id", "name": "user_id", "side": "user"},
                {"kind": "id", "name": "item_id", "side": "item"},
            ],
            "tasks": [{"kind": "retrieval", "name": "watch"}],
        },
        "data": {"split": "time", "history": "others", "test_share": 0.3},
        "model": {"embedding_dim": 32, "tower_dims": [8], "target_attention": "din"},
        "retrieval": {"loss": "gbce"},
        "training": {"weighting": "cagrad", "recency_half_life_days": 14},
        "evaluation": {"cutoffs": [5], "slices": ["shop"], "confidence": 0.9},
        "export": {"max_k": 7},
    }
    with pytest.raises(SpecError) as error:
        RunConfig.from_dict(values)
    text = str(error.value)
    assert text.startswith("RunConfig has 11 faults:")
    for fault in (
        "\n  sequence: must be left out with `table`: a row has no events before it",
        "\n  features_and_tasks: must be left out with `table`: `table.features_and_tasks` tells",
        "\n  data.split: must be random with `table`, whose rows tell no user and no moment, ",
        "\n  data.history: has no meaning for a table, received 'others': a row has no history",
        "\n  data.test_share: has no meaning with published test rows, received 0.3",
        "\n  model.tower_dims: has no meaning for a table, received (8,): rows of a table",
        "\n  model.target_attention: has no meaning for a table, received 'din'",
        "\n  retrieval.loss: has no meaning for a table, received 'gbce': nothing is retrieved",
        "\n  training.recency_half_life_days: has no meaning for a table, received 14.0",
        "\n  evaluation.cutoffs: has no meaning for a table, received (5,)",
        "\n  export.max_k: has no meaning for a table, received 7",
    ):
        assert fault in text


def test_run_of_a_table_is_read_back(tmp_path):
    run = RunConfig.from_dict(
        {
            "data": {"dataset": "csv", "split": "random"},
            "table": {
                "features_and_tasks": {
                    "features": [{"kind": "numeric", "name": "age", "side": "user"}],
                    "tasks": [{"kind": "binary", "name": "buys", "label": "buys"}],
                }
            },
        }
    )
    run.to_yaml(tmp_path / "run.yaml")
    assert RunConfig.from_yaml(tmp_path / "run.yaml") == run


def test_what_a_sequential_recommender_does_not_read_is_refused():
    values = {
        "sequence": {"max_length": 20},
        "data": {"history": "others"},
        "model": {"embedding_dim": 32, "text": {"num_layers": 1}},
        "retrieval": {"loss": "gbce"},
        "training": {"weighting": "cagrad", "recency_half_life_days": 14},
        "export": {"max_k": 7, "reranker": "mmr"},
    }
    with pytest.raises(SpecError) as error:
        RunConfig.from_dict(values)
    text = str(error.value)
    assert text.startswith("RunConfig has 6 faults:")
    for fault in (
        "\n  data.history: has no meaning with `sequence`, received 'others': it reads the events",
        "\n  model.embedding_dim: has no meaning with `sequence`, received 32: its sizes and its",
        "\n  retrieval.loss: has no meaning with `sequence`, received 'gbce': its loss is `",
        "\n  training.weighting: has no meaning with `sequence`, received 'cagrad'",
        "\n  training.recency_half_life_days: has no meaning with `sequence`, received 14.0",
        "\n  export.reranker: has no meaning with `sequence`, received 'mmr'",
    ):
        assert fault in text


def test_what_a_sequential_recommender_reads_comes_back_from_a_file(tmp_path):
    values = {
        "sequence": {"encoder": "hstu", "encoder_options": {"num_layers": 1}, "has_times": True},
        "model": {"text": {"num_layers": 1}},
        "training": {"epochs": 3, "table_optimizer": "adam", "patience": 2},
        "evaluation": {"is_seen_excluded": False, "cutoffs": [5], "metrics": ["gini"]},
        "export": {"is_seen_excluded": False, "max_k": 7},
        "pipeline": {"name": "mine"},
    }
    run = RunConfig.from_dict(values)
    run.to_yaml(tmp_path / "run.yaml")
    assert RunConfig.from_yaml(tmp_path / "run.yaml") == run


def test_fault_of_a_sequence_has_its_path():
    with pytest.raises(SpecError, match=r"\n  sequence: has_request_times: needs `has_times`"):
        RunConfig.from_dict({"sequence": {"has_request_times": True}})


def test_pipeline_refuses_a_sequence():
    RunConfig().check_pipeline()
    with pytest.raises(SpecError, match="sequence: must be left out for the TFX pipeline"):
        RunConfig(sequence=SequenceConfig()).check_pipeline()


def test_pipeline_refuses_what_evaluate_alone_tells():
    asked = {"metrics": ["gini"], "slices": ["gender"], "confidence": 0.9, "cutoffs": [5]}
    with pytest.raises(SpecError) as error:
        RunConfig.from_dict({"sequence": {}, "evaluation": asked}).check_pipeline()
    heading, *lines = str(error.value).splitlines()
    assert heading == "RunConfig has 4 faults:"
    assert lines[0].startswith("  evaluation.metrics: has no meaning for the TFX pipeline, which")
    assert "received ('gini',); `recsys-tf evaluate` reads it" in lines[0]
    assert [each.split(":")[0] for each in lines[1:]] == [
        "  evaluation.slices",
        "  evaluation.confidence",
        "  sequence",
    ]


def test_presets_are_runs_that_come_back_from_a_file(tmp_path):
    for make in PRESETS.values():
        make().to_yaml(tmp_path / "run.yaml")
        assert RunConfig.from_yaml(tmp_path / "run.yaml") == make()
