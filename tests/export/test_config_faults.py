"""What `export` cannot mean is told before training, all faults together."""

import dataclasses
import re
from types import SimpleNamespace

import pytest

from recsys_tf import CategoricalFeature, IdFeature, RunConfig, Schema, TaskSpec
from recsys_tf.config import EvaluationConfig, ExportConfig
from recsys_tf.export.config_faults import check_export_config, check_export_labels
from recsys_tf.spec import SpecError
from recsys_tf.training import build_recommender, build_sequence_recommender

SCHEMA = Schema(
    features=(
        IdFeature(name="user_id", side="user"),
        IdFeature(name="item_id", side="item"),
        CategoricalFeature(name="genre", side="item"),
        CategoricalFeature(name="surface", side="context", values=("mail", "search")),
    ),
    tasks=(
        TaskSpec(name="watch", kind="retrieval"),
        TaskSpec(name="click", kind="binary", label="click"),
        TaskSpec(name="topic", kind="multiclass", label="genre", from_features=("item_id",)),
    ),
)


def faults(schema=SCHEMA, **fields):
    with pytest.raises(SpecError) as error:
        check_export_config(ExportConfig(**fields), schema)
    heading, *lines = str(error.value).splitlines()
    assert heading.startswith(f"RunConfig has {len(lines)} fault")
    return lines


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"score_weights": {"click": 1, "watch": 0.5}, "calibration": {"click": "platt"}},
        {"score_fusion": "voting", "fusion_options": {"num_places": 3}},
        {"goal": {"task": "click", "floors": {"watch": 0.1}}},
        {"goal": {"task": "click"}, "score_fusion": "stacking"},
        {"reranker": "dpp", "category_feature": "genre", "similarity_feature": "genre"},
    ],
)
def test_what_can_be_exported_has_no_faults(fields):
    check_export_config(ExportConfig(**fields), SCHEMA)


def test_every_wrong_name_is_told_with_its_path():
    lines = faults(
        score_weights={"clik": 1.0, "topic": 1.0, "click": 1.0},
        score_fusion="stacking",
        fusion_options={"bias": 0.1, "ofset": 3},
        calibration={"click": "plat", "wach": "platt", "watch": "platt"},
        calibrate_by_scenario=True,
        reranker="mrm",
        similarity_feature="gener",
        category_feature="genr",
    )
    texts = [
        "export.score_weights.clik: .*Did you mean 'click'",
        "export.score_weights.topic: .*one of 'click', 'watch', received 'topic'",
        "export.fusion_options.ofset: .*'bias', .*received 'ofset'",
        "export.calibration.click: .*Did you mean 'platt'",
        "export.calibration.wach: .*Did you mean 'watch'",
        "export.calibration.watch: .*has no labels to fit to",
        "export.calibrate_by_scenario: .*the schema has no scenario",
        "export.reranker: .*Did you mean 'mmr'",
        "export.similarity_feature: .*must be one of 'genre', received 'gener'",
        "export.category_feature: .*must be one of 'genre', received 'genr'",
    ]
    assert len(lines) == len(texts)
    for line, text in zip(lines, texts, strict=True):
        assert re.match(f"  {text}", line), line


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"score_fusion": "votes"}, "export.score_fusion: .*Did you mean 'voting'"),
        (
            {"score_fusion": "voting", "fusion_options": {"num_places": 0}},
            "export: `num_places` must be an integer of at least 1, received 0",
        ),
        (
            {"score_fusion": "stacking", "fusion_options": {"probability_tasks": ("clik",)}},
            "export: `probability_tasks` must be one of .*Did you mean 'click'",
        ),
        ({"score_weights": {"click": float("nan")}}, "export: `weights` must be finite"),
    ],
)
def test_a_fusion_that_cannot_be_made_is_told(fields, text):
    (line,) = faults(**fields)
    assert re.match(f"  {text}", line), line


@pytest.mark.parametrize("is_excluded", [True, False])
def test_list_that_is_not_the_measured_one_is_told(is_excluded):
    config = ExportConfig(is_seen_excluded=is_excluded)
    check_export_config(config, SCHEMA, EvaluationConfig(is_seen_excluded=is_excluded))
    with pytest.raises(SpecError) as error:
        check_export_config(config, SCHEMA, EvaluationConfig(is_seen_excluded=not is_excluded))
    text = f"export.is_seen_excluded: must be {not is_excluded}, as `evaluation.is_seen_excluded`"
    assert text in str(error.value)
    run = RunConfig(export=config, evaluation=EvaluationConfig(is_seen_excluded=not is_excluded))
    with pytest.raises(SpecError, match="another list would be answered than is measured"):
        build_recommender(SimpleNamespace(config=run, schema=SCHEMA))
    # What a trained sequential recommender is measured by may be changed; it is not built so.
    sequential = RunConfig.from_dict({**run.to_dict(), "sequence": {}})
    with pytest.raises(SpecError, match=text):
        build_sequence_recommender(SimpleNamespace(data=SimpleNamespace(config=sequential)))


def test_feature_with_the_name_of_a_wish_is_told_where_the_wish_is_an_input():
    named = CategoricalFeature(name="diversity", side="context", values=("high", "low"))
    schema = SCHEMA.model_copy(update={"features": (*SCHEMA.features, named)})
    check_export_config(ExportConfig(), schema)
    (line,) = faults(schema, reranker="mmr")
    assert "the feature 'diversity' has the name of an input of `recommend`" in line


@pytest.mark.parametrize("side", ["context", "item"])
def test_feature_with_the_name_of_a_keyword_is_told_before_it_is_trained(side):
    named = CategoricalFeature(name="class", side=side, values=("high", "low"))
    schema = SCHEMA.model_copy(update={"features": (*SCHEMA.features, named)})
    (line,) = faults(schema)
    assert "the feature 'class' has the name of a Python keyword" in line


def test_no_model_is_built_for_it():
    config = RunConfig(export=ExportConfig(reranker="mrm"))
    # Of no rows nor vocabularies: they are not come to.
    with pytest.raises(SpecError, match="export.reranker"):
        build_recommender(SimpleNamespace(config=config, schema=SCHEMA))


def test_goal_of_no_task_is_told():
    lines = faults(goal={"task": "clik", "floors": {"topic": 0.1}})
    assert re.match("  export.goal.task: .*Did you mean 'click'", lines[0])
    assert re.match("  export.goal.floors.topic: .*one of 'click', 'watch', received", lines[1])
    (line,) = faults(goal={"task": "watch"}, score_fusion="stacking")
    assert re.match("  export.goal.task: `goal` must be one of 'click', received 'watch'", line)
    (line,) = faults(SCHEMA.model_copy(update={"tasks": SCHEMA.tasks[:1]}), goal={"task": "watch"})
    assert "export.goal: there must be two weights or more to learn, received the task" in line


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"score_weights": {"click": 2}}, "score_weights: must name two tasks .* 'click' alone"),
        ({"max_k": 5}, "goal.k: must be at most `max_k`, 5, .* received 10"),
        (
            {"score_fusion": "stacking", "fusion_options": {"bias": 1.0}},
            "fusion_options: must be left out where `goal` has `stacking` learn them",
        ),
        (
            {"score_fusion": "stacking", "goal": {"task": "click", "floors": {"watch": 0.1}}},
            "goal.floors: have no meaning for `stacking`",
        ),
        ({"goal": {"task": "click", "floors": {"watch": 1.5}}}, "goal.floors.watch: .*1.5"),
    ],
)
def test_goal_that_contradicts_the_rest_is_told_when_it_is_made(fields, text):
    with pytest.raises(SpecError, match=text):
        ExportConfig.from_dict({"goal": {"task": "click"}, **fields})


def test_goal_without_rows_to_learn_it_from_is_told_before_training(small_data):
    goal = ExportConfig.from_dict({"goal": {"task": "click", "floors": {"purchase": 0.1}}})
    check_export_labels(goal, small_data)
    data = dataclasses.replace(small_data, is_validation_trained=True)
    with pytest.raises(SpecError, match="export.goal: .* not trained on to fit `weights`"):
        check_export_labels(goal, data)
    events = small_data.interactions.events.assign(purchase=0.0)
    interactions = dataclasses.replace(small_data.interactions, events=events)
    data = dataclasses.replace(small_data, interactions=interactions)
    with pytest.raises(SpecError, match="export.goal: .* a success of 'purchase', received none"):
        check_export_labels(goal, data)
    stacked = ExportConfig.from_dict({"goal": {"task": "purchase"}, "score_fusion": "stacking"})
    with pytest.raises(SpecError, match="export.goal: .* different labels of 'purchase'"):
        check_export_labels(stacked, data)
