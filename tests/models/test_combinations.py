"""Any scenario block with any multi-task block, history, cross and weighting, in pairs.

A name that enters a table is covered by itself. The rows that bring a new name are quick; the
others, with which every two names come together, are slow.
"""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf import (
    CategoricalFeature,
    HistoryFeature,
    IdFeature,
    ModelConfig,
    NumericFeature,
    ScenarioSpec,
    Schema,
    TaskSpec,
)
from recsys_tf.crosses import CROSSES
from recsys_tf.encoders import HISTORY_ENCODERS
from recsys_tf.models import Ranker
from recsys_tf.multiscenario import SCENARIO_BLOCKS
from recsys_tf.multitask import MULTITASK_BLOCKS
from recsys_tf.weighting import WEIGHTINGS

NAMES = {
    "weighting": tuple(WEIGHTINGS),
    "history_encoder": tuple(HISTORY_ENCODERS),
    "multitask": tuple(MULTITASK_BLOCKS),
    "cross": (*CROSSES, None),
    "multiscenario": (*SCENARIO_BLOCKS, None),
}
NUM_ROWS, NUM_SCENARIOS = 12, 3
SCHEMA = Schema(
    features=(
        NumericFeature(name="age", side="user"),
        IdFeature(name="user_id", side="user"),
        HistoryFeature(name="history", side="user", of="item_id", max_length=4),
        IdFeature(name="item_id", side="item"),
        CategoricalFeature(name="shop", side="context"),
    ),
    tasks=(
        TaskSpec(name="click", kind="binary", label="click"),
        TaskSpec(name="price", kind="regression", label="price", loss_weight=0.1),
    ),
    scenario=ScenarioSpec(feature="shop"),
)
NUM_INDICES = {"user_id": 14, "item_id": 9, "shop": 2 + NUM_SCENARIOS}


def is_allowed(row):
    """Whether the blocks go together: parts of embeddings are read without a batch's statistics."""
    block, scenario_block = row.get("multitask"), row.get("multiscenario")
    if block is None or scenario_block is None:
        return True
    return not (MULTITASK_BLOCKS[block].reads_parts and SCENARIO_BLOCKS[scenario_block].reads_batch)


def covering_rows(names, allowed):
    """Returns rows, a name of each axis, that hold every two names that go together.

    Each row begins with the pair that was taken least often, name by name, of those that are in
    none yet, and takes of each other axis the name that brings most of such pairs; of equal ones,
    that which was taken least often. So the first rows bring new names, and few hold all.
    """
    uncovered = {
        ((one, a), (other, b)): None
        for one, other in itertools.combinations(names, 2)
        for a, b in itertools.product(names[one], names[other])
        if allowed({one: a, other: b})
    }
    taken = {(axis, name): 0 for axis in names for name in names[axis]}
    rows = []

    def pairs(row):
        return itertools.combinations([(axis, row[axis]) for axis in names if axis in row], 2)

    while uncovered:
        row = dict(min(uncovered, key=lambda pair: sum(taken[each] for each in pair)))
        for axis in [each for each in names if each not in row]:
            choices = [each for each in names[axis] if allowed({**row, axis: each})]
            gains = [
                (-sum(p in uncovered for p in pairs({**row, axis: each})), taken[axis, each])
                for each in choices
            ]
            row[axis] = choices[gains.index(min(gains))]
        for each in row.items():
            taken[each] += 1
        for each in pairs(row):
            uncovered.pop(each, None)
        rows.append({axis: row[axis] for axis in names})
    return rows


def first_of_each_name(rows):
    """Returns the places of the rows that bring a name which no row before them has."""
    met, places = set(), set()
    for place, row in enumerate(rows):
        if not set(row.items()) <= met:
            places.add(place)
            met |= set(row.items())
    return places


ROWS = covering_rows(NAMES, is_allowed)
QUICK = first_of_each_name(ROWS)
CASES = [
    pytest.param(row, id="-".join(map(str, row.values())), marks=[] if quick else pytest.mark.slow)
    for row, quick in ((row, place in QUICK) for place, row in enumerate(ROWS))
]
FIRST = [ROWS[place] for place in sorted(QUICK)]


class Recording(keras.optimizers.SGD):
    """Keeps the last gradients by the path of their variable."""

    def apply(self, grads, trainable_variables=None):
        grads, variables = list(grads), list(trainable_variables)
        self.seen = {v.path: g for v, g in zip(variables, grads, strict=True)}
        super().apply(grads, variables)


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(2)
    features = {
        "age": rng.normal(size=(NUM_ROWS, 2)).astype("float32"),
        "history": rng.integers(2, 9, (NUM_ROWS, 4)),
        "user_id": np.arange(NUM_ROWS) + 2,
        "item_id": rng.integers(2, 9, NUM_ROWS),
        "shop": np.arange(NUM_ROWS) % NUM_SCENARIOS + 2,
    }
    features["history"][:3, 2:] = 0
    labels = {
        "click": np.arange(NUM_ROWS, dtype="float32") % 2,
        "price": rng.normal(size=NUM_ROWS).astype("float32"),
    }
    return features, labels


def build(row):
    model = {axis: name for axis, name in row.items() if axis != "weighting"}
    config = ModelConfig(
        **model,
        embedding_dim=6,  # Three parts, where a block reads parts.
        num_cross_layers=0,
        cross_dims=(6,),
        trunk_dims=(6,),
        scenario_dim=6,
        num_experts=2,
        expert_dim=6,
        expert_rank=2,
        head_dims=(),
        dropout=0.0,
    )
    return Ranker(SCHEMA, NUM_INDICES, config)


def make(row):
    ranker = build(row)
    # Not traced: it takes longer than the step.
    ranker.compile(Recording(1e-3), weighting=row["weighting"], run_eagerly=True)
    return ranker


def step(ranker, batch):
    dataset = tf.data.Dataset.from_tensors(batch)
    return ranker.fit(dataset, verbose=0).history["loss"][0]


def test_rows_hold_every_two_names_that_go_together():
    # No fewer than the two longest axes have pairs, and than the longest has names.
    assert len(ROWS) < 1.2 * len(WEIGHTINGS) * len(HISTORY_ENCODERS)
    assert len(QUICK) < 1.5 * len(WEIGHTINGS)
    for one, other in itertools.combinations(NAMES, 2):
        found = {(row[one], row[other]) for row in ROWS}
        both = itertools.product(NAMES[one], NAMES[other])
        assert found == {(a, b) for a, b in both if is_allowed({one: a, other: b})}
    assert all(map(is_allowed, ROWS))
    for axis, names in NAMES.items():
        assert {ROWS[place][axis] for place in QUICK} == set(names)


@pytest.mark.parametrize("row", CASES)
def test_blocks_combine(batch, row):
    ranker = make(row)
    assert np.isfinite(step(ranker, batch))
    gradients = ranker.optimizer.seen
    assert set(gradients) == {each.path for each in ranker.trainable_variables}
    for path, gradient in gradients.items():
        assert gradient is not None, path
        assert np.isfinite(tf.convert_to_tensor(gradient)).all(), path
    for variable in ranker.variables:
        assert np.isfinite(np.array(variable, "float64")).all(), variable.path


@pytest.mark.parametrize("row", FIRST, ids=lambda row: "-".join(map(str, row.values())))
def test_step_along_the_gradient_lowers_the_loss(batch, row):
    ranker, (features, labels) = build(row), batch

    def loss():
        return ranker.compute_loss(features, labels, ranker(features, training=True))

    with tf.GradientTape() as tape:
        before = loss()
    variables = ranker.trainable_variables
    gradients = [tf.convert_to_tensor(each) for each in tape.gradient(before, variables)]
    # A step that would lower a linear loss by a hundredth.
    rate = 0.01 * before / sum(tf.reduce_sum(tf.square(each)) for each in gradients)
    for variable, gradient in zip(variables, gradients, strict=True):
        variable.assign_sub(rate * gradient)
    assert float(loss()) < float(before)


@pytest.mark.parametrize("row", FIRST[::6], ids=lambda row: "-".join(map(str, row.values())))
def test_saved_combination_predicts_equally(batch, row, tmp_path):
    ranker = make(row)
    step(ranker, batch)
    ranker.save(tmp_path / "ranker.keras")
    custom = {"Recording": Recording}
    again = keras.models.load_model(tmp_path / "ranker.keras", custom_objects=custom)
    assert type(again.weighting) is WEIGHTINGS[row["weighting"]]
    expected = ranker(batch[0])
    for name, values in again(batch[0]).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)
