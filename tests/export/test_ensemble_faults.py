"""What cannot answer as one model is refused, before a catalogue is embedded."""

import numpy as np
import pytest

from recsys_tf.config import AnswerGoal, ExportConfig
from recsys_tf.export import ServedEnsemble, ServedRecommender
from recsys_tf.schema import CategoricalFeature, HistoryFeature


class _Of:
    """Stands for a model that must be refused before it is asked."""

    def __init__(self, schema):
        self.schema = schema


def with_schema(member, **changes):
    return member._replace(model=_Of(member.model.schema.model_copy(update=changes)))


def test_one_model_is_no_ensemble(member):
    with pytest.raises(ValueError, match="two models or more, received 1"):
        ServedEnsemble({"a": member}, ExportConfig())


@pytest.mark.parametrize("name", ["", "a/b", "a__b", "_a", "a_", "1a"])
def test_name_that_would_blur_outputs_is_refused(member, name):
    with pytest.raises(ValueError, match=f"begun by a letter, received {name!r}"):
        ServedEnsemble({name: member, "b": member}, ExportConfig())


def test_other_items_are_refused(member):
    fewer = member._replace(catalogue=member.catalogue.take(np.arange(3)))
    num = len(member.catalogue) - 3
    with pytest.raises(ValueError, match=f"received {num} items that only one of 'a' and 'b'"):
        ServedEnsemble({"a": member, "b": fewer}, ExportConfig())


def test_input_of_two_kinds_is_refused(member):
    features = tuple(
        CategoricalFeature(name="surface", side="context", is_multivalent=True)
        if each.name == "surface"
        else each
        for each in member.model.schema.features
    )
    changed = with_schema(member, features=features)
    with pytest.raises(ValueError, match="the input 'surface' must be of one kind, shape and type"):
        ServedEnsemble({"a": member, "b": changed}, ExportConfig())


def test_other_history_or_scenario_is_refused(member):
    features = tuple(
        HistoryFeature(name="met", side="user", of=each.of) if each.kind == "history" else each
        for each in member.model.schema.features
    )
    with pytest.raises(ValueError, match="the history must be of one name.*'history'.*'met'"):
        ServedEnsemble({"a": member, "b": with_schema(member, features=features)}, ExportConfig())
    with pytest.raises(ValueError, match="the scenario must be of one name.*'surface'.*None"):
        ServedEnsemble({"a": member, "b": with_schema(member, scenario=None)}, ExportConfig())


def test_scenarios_of_other_values_take_no_calibration_by_scenario(member, calibrations):
    features = tuple(
        each.model_copy(update={"values": ("search", "mail")}) if each.name == "surface" else each
        for each in member.model.schema.features
    )
    config = ExportConfig(score_weights={"a/click": 1.0}, calibration={"a/click": "platt"})
    given = {"a/click": calibrations["click"]}
    assert given["a/click"].by_scenario
    with pytest.raises(ValueError, match="a scenario of the same fixed `values`"):
        ServedEnsemble({"a": member, "b": with_schema(member, features=features)}, config, given)


def test_model_without_retrieval_is_refused(member):
    tasks = tuple(each for each in member.model.schema.tasks if each.kind != "retrieval")
    with pytest.raises(ValueError, match="must have a retrieval task"):
        ServedEnsemble({"a": member, "b": with_schema(member, tasks=tasks)}, ExportConfig())


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (ExportConfig(score_weights={"a/clik": 1.0}), "Did you mean 'a/click'"),
        (ExportConfig(score_weights={"click": 1.0}), "must be one of 'a/click'"),
        (ExportConfig(calibration={"a/click": "platt"}), "give the tasks .* for a weight"),
        (ExportConfig(goal=AnswerGoal(task="click")), "not learned over an ensemble"),
        (
            ExportConfig(score_weights={"a/click": 1.0}, calibration={"a/click": "platt"}),
            "received none for 'a/click'",
        ),
    ],
    ids=["unknown", "bare", "unweighed", "goal", "absent"],
)
def test_wrong_configuration_is_refused(member, config, text):
    with pytest.raises(ValueError, match=text):
        ServedEnsemble({"a": member, "b": member}, config)


@pytest.mark.parametrize(
    "fields", [{"reranker": "mrm"}, {"category_feature": "title"}, {"similarity_feature": "title"}]
)
def test_wrong_names_of_the_order_are_told_before_a_catalogue_is_embedded(member, fields):
    (field,), config = fields, ExportConfig(**{"reranker": "mmr", **fields})
    unasked = with_schema(member)
    with pytest.raises(ValueError, match=f"`{field}` must be one of"):
        ServedEnsemble({"a": unasked, "b": unasked}, config)
    with pytest.raises(ValueError, match=f"`{field}` must be one of"):
        ServedRecommender(*unasked, config)


@pytest.mark.parametrize("score_fusion", ["weighted_sum", "geometric"])
def test_calibrations_without_weights_are_refused(member, score_fusion, calibrations):
    config, given = ExportConfig(score_fusion=score_fusion), {"a/click": calibrations["click"]}
    with pytest.raises(ValueError, match="score_weights.* must name tasks .* for a weight"):
        ServedEnsemble({"a": member, "b": member}, config, given)
