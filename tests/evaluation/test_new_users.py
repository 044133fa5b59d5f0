"""Who has a history and no id is answered as well as the same user would be with one."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys_tf import (
    HistoryFeature,
    IdFeature,
    ModelConfig,
    RunConfig,
    Schema,
    SequenceConfig,
    TaskSpec,
    TrainingConfig,
)
from recsys_tf.config import DataConfig, EvaluationConfig, RetrievalConfig
from recsys_tf.datasets import Interactions
from recsys_tf.evaluation import model_ranking, sequence_ranking
from recsys_tf.models import SequenceRecommender
from recsys_tf.preparation import SequenceData, prepare
from recsys_tf.training import build_recommender, fit

NUM_USERS, NUM_ITEMS, NUM_EVENTS = 120, 40, 10
NUM_NEW = 40
# By how much NDCG@10 of users who were left out of training may be less than with them trained on.
BOUND = 0.05
# What a model reaches that has learned the rule; by chance it is about 0.1.
LEARNED = 0.8

SCHEMA = Schema(
    features=(
        IdFeature(name="user_id", side="user"),
        HistoryFeature(name="history", side="user", of="item_id", max_length=2),
        IdFeature(name="item_id", side="item"),
    ),
    tasks=(TaskSpec(name="watch", kind="retrieval"),),
)
CONFIG = RunConfig(
    data=DataConfig(split="last_out"),
    model=ModelConfig(
        embedding_dim=16,
        output_dim=16,
        tower_dims=(32,),
        trunk_dims=(),
        head_dims=(),
        tower_dropout=0.0,
        history_dropout=0.0,
    ),
    retrieval=RetrievalConfig(loss="full_softmax"),
    evaluation=EvaluationConfig(cutoffs=(10,)),
    training=TrainingConfig(batch_size=64, epochs=15, learning_rate=0.02),
)


@pytest.fixture(scope="module")
def known():
    """Users who go round one ring of items, each from a place of his own: the next item follows."""
    rng = np.random.default_rng(0)
    ring = rng.permutation(NUM_ITEMS)
    starts = rng.integers(NUM_ITEMS, size=NUM_USERS)
    items = ring[(starts[:, None] + np.arange(NUM_EVENTS)) % NUM_ITEMS]
    events = pd.DataFrame(
        {
            "user_id": np.repeat([f"u{n}" for n in range(NUM_USERS)], NUM_EVENTS),
            "item_id": [f"i{n}" for n in items.ravel()],
            "timestamp": np.tile(np.arange(NUM_EVENTS), NUM_USERS),
        }
    )
    titles = [f"i{n}" for n in range(NUM_ITEMS)]
    users = pd.DataFrame({"user_id": events["user_id"].unique()})
    catalogue = pd.DataFrame({"item_id": titles, "title": titles})
    return prepare(CONFIG, Interactions(SCHEMA, events, users, catalogue))


@pytest.fixture(scope="module")
def new(known):
    """The same, where training sees nothing of some users: all of theirs is known afterwards."""
    split, users = known.split, known.interactions.events["user_id"].to_numpy()
    is_new = np.isin(users[split.train], [f"u{n}" for n in range(NUM_NEW)])
    validation = np.sort(np.concatenate([split.validation, split.train[is_new]]))
    cut = replace(split, train=split.train[~is_new], validation=validation)
    return replace(known, split=cut)


def tower_ranking(data):
    model = build_recommender(data)
    fit(model, data.dataset("train"), None, data.config.training, verbose=0)
    return model_ranking(model, data)


def sequence_recommender_ranking(data):
    sequence = SequenceConfig(
        embedding_dim=16, max_length=8, encoder_options={"num_layers": 1}, dropout=0.0
    )
    data = SequenceData(data, sequence)
    model = SequenceRecommender(data.num_indices, data.config)
    # A row a user and not one an event: fewer of them make as many steps.
    training = data.data.config.training.model_copy(update={"epochs": 40})
    fit(model, data.train_dataset(), None, training, verbose=0)
    return sequence_ranking(model, data)


@pytest.mark.parametrize("ranking", [tower_ranking, sequence_recommender_ranking])
def test_users_left_out_of_training_are_answered_as_well_by_their_histories(known, new, ranking):
    is_vocabulary = np.isin([f"u{n}" for n in range(NUM_USERS)], new.state.vocabularies["user_id"])
    assert is_vocabulary.tolist() == [False] * NUM_NEW + [True] * (NUM_USERS - NUM_NEW)
    found = {}
    for name, data in (("known", known), ("new", new)):
        values = ranking(data)
        is_asked = values.user_indexes < NUM_NEW
        assert is_asked.sum() == NUM_NEW
        found[name] = values.means(is_asked)["ndcg_at_10"]
    assert found["known"] > LEARNED
    assert found["new"] > found["known"] - BOUND, found
