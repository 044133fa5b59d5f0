"""Preparation keeps the future out of the past."""

from dataclasses import replace

import numpy as np
import pytest

from recsys_tf import CategoricalFeature, RunConfig, SequenceConfig, TaskSpec
from recsys_tf.baselines import Bias, Popularity
from recsys_tf.config import DataConfig, EvaluationConfig
from recsys_tf.datasets import interaction_matrix
from recsys_tf.evaluation import evaluate_baselines, ranking_problem
from recsys_tf.preparation import EventPairs, prepare, recency_weights
from recsys_tf.spec import SpecError


def test_histories_of_the_test_end_before_it(small_data):
    events = small_data.interactions.events
    first_test = events["timestamp"].to_numpy()[small_data.rows("test")].min()
    known = set(
        zip(
            events["user_id"].to_numpy()[small_data.known_rows("test")],
            events["item_id"].to_numpy()[small_data.known_rows("test")],
            strict=True,
        )
    )
    assert events["timestamp"].to_numpy()[small_data.known_rows("test")].max() < first_test
    examples = small_data.examples("test")
    for row in range(0, len(examples), 50):
        user = examples.columns["user_id"][row]
        assert all((user, item) in known for item in examples.lists["history"].row(row))


def test_no_training_row_reads_its_own_item(small_data):
    for features, _, _ in small_data.dataset("train").take(3):
        history, item = features["history"].numpy(), features["item_id"].numpy()
        is_known = item > 1
        assert not np.any((history == item[:, None])[is_known])


@pytest.mark.parametrize("history", ["past", "others"])
def test_who_buys_the_same_again_has_bought_it_before(small_data, history):
    events = small_data.interactions.events
    same = events.groupby("user_id")["item_id"].transform("first")
    interactions = replace(small_data.interactions, events=events.assign(item_id=same))
    config = small_data.config.model_copy(update={"data": DataConfig(history=history)})
    data = prepare(config, interactions)
    histories = data.train_examples.lists["history"]
    num_empty, num_without_past = 0, int((histories.ends == histories.starts).sum())
    for features, _, _ in data.dataset("train"):
        met, item = features["history"].numpy(), features["item_id"].numpy()
        assert np.all((met == 0) | (met == item[:, None]))
        num_empty += int((met == 0).all(axis=1).sum())
    # Of all others, the row's own event cannot be told from those of the same item.
    assert num_empty == {"past": num_without_past, "others": len(histories)}[history]
    assert data.examples("validation").has_target is False
    whole = prepare(config, interactions, is_validation_trained=True)
    assert whole.examples("validation").has_target is (history == "others")


def test_vocabularies_come_from_the_training_rows_alone(small_data):
    events = small_data.interactions.events
    of_train = set(events["item_id"].iloc[small_data.train_rows])
    assert set(small_data.state.vocabularies["item_id"]) == of_train


def test_validation_rows_can_be_trained_on(small_data):
    whole = prepare(small_data.config, small_data.interactions, is_validation_trained=True)
    split = small_data.split
    assert len(whole.train_rows) == len(split.train) + len(split.validation)
    np.testing.assert_array_equal(whole.rows("test"), split.test)


def test_seen_and_relevant_do_not_overlap(small_data):
    problem = ranking_problem(small_data, "test")
    assert problem.seen.multiply(problem.relevant).nnz == 0
    clicked = small_data.interactions.events["click"].iloc[small_data.rows("test")]
    assert problem.relevant.sum() == (clicked >= 1).sum()
    assert problem.is_new_user.any()


def test_row_without_weight_is_nothing_to_be_found(small_data):
    watch, *others = small_data.schema.tasks
    task = watch.model_copy(update={"sample_weight": "like"})
    schema = small_data.schema.model_copy(update={"tasks": (task, *others)})
    problem = ranking_problem(replace(small_data, schema=schema), "test")
    liked = small_data.interactions.events["like"].iloc[small_data.rows("test")]
    assert problem.relevant.sum() == liked.sum()


def test_baselines_are_measured_on_the_same_problem(small_data):
    results = evaluate_baselines(small_data, "test", ["popularity", "bias"])
    assert 0 < results["popularity"]["watch/hit_at_10"] < 1
    assert 0.3 < results["bias"]["rating/rmse"] < 2


def test_baselines_with_settings_are_measured_by_their_own_names(small_data):
    made = {"plain": Popularity(), "recent": Popularity(popularity_half_life_days=3.0)}
    found = evaluate_baselines(small_data, "test", made)
    assert found["plain"] == evaluate_baselines(small_data, "test", ["popularity"])["popularity"]
    # By the last time of each pair that was clicked in the known rows.
    events = small_data.interactions.events.iloc[small_data.known_rows("test")]
    events = events[events["click"] == 1]
    last = events.groupby(["user_id", "item_id"])["timestamp"].max()
    weights = 0.5 ** ((last.max() - last) / 86_400 / 3.0)
    expected = weights.groupby("item_id").sum()
    scores = dict(
        zip(small_data.interactions.items["item_id"], made["recent"].scores([-1])[0], strict=True)
    )
    assert {item: scores[item] for item in expected.index} == pytest.approx(expected.to_dict())
    assert found["recent"] != found["plain"]


def test_half_life_is_refused_where_times_cannot_be_compared(small_data):
    interactions = replace(small_data.interactions, is_time_comparable=False)
    data = replace(small_data, interactions=interactions)
    made = {"recent": Popularity(popularity_half_life_days=3.0)}
    with pytest.raises(ValueError, match="`times` must be given for a half-life of 3 days"):
        evaluate_baselines(data, "test", made)


def test_weights_by_age_are_refused_where_only_the_order_is_known(small_data):
    interactions = replace(small_data.interactions, is_time_comparable=False)
    training = small_data.config.training.model_copy(update={"recency_half_life_days": 14.0})
    data = DataConfig(split="last_out")
    config = small_data.config.model_copy(update={"training": training, "data": data})
    text = r"`training.recency_half_life_days` must be None for .* order of the events .* 14\."
    with pytest.raises(ValueError, match=text):
        prepare(config, interactions)
    assert prepare(config, small_data.interactions).config is config


def of_tasks(data, *tasks):
    return replace(data, schema=data.schema.model_copy(update={"tasks": tasks}))


@pytest.mark.parametrize("column", ["like", "price"])
def test_baseline_of_ratings_reads_the_weights_that_the_model_is_measured_by(small_data, column):
    rating = small_data.schema.task("rating").model_copy(update={"sample_weight": column})
    data = of_tasks(small_data, rating)
    found = evaluate_baselines(data, "test", ["bias"])["bias"]["rating/rmse"]
    # Likes stand with the events, prices with the items.
    interactions = small_data.interactions
    events = interactions.events
    if column not in events:
        events = events.merge(interactions.items[["item_id", column]], on="item_id", how="left")
    numbers = events.assign(
        user=events["user_id"].map({u: n for n, u in enumerate(interactions.users["user_id"])}),
        item=events["item_id"].map({i: n for n, i in enumerate(interactions.items["item_id"])}),
    )
    known, asked = numbers.iloc[data.known_rows("test")], numbers.iloc[data.rows("test")]
    known = known[known[column] > 0]
    shape = len(interactions.users), len(interactions.items)
    bias = Bias().fit(
        interaction_matrix(known["user"], known["item"], *shape, known["rating"].to_numpy())
    )
    asked = asked[asked["rating"].notna()]
    squares = (asked["rating"] - bias.predict(asked["user"], asked["item"])) ** 2
    assert found == pytest.approx(np.sqrt(np.average(squares, weights=asked[column])))


def test_baseline_is_not_measured_on_a_label_of_the_items(small_data):
    price = TaskSpec(name="cost", kind="regression", label="price", from_features=("title",))
    rating = small_data.schema.task("rating")
    found = evaluate_baselines(of_tasks(small_data, price, rating), "test", ["bias"])
    assert found == evaluate_baselines(of_tasks(small_data, rating), "test", ["bias"])
    assert evaluate_baselines(of_tasks(small_data, price), "test", ["bias"]) == {"bias": {}}


def test_recency_weights_halve_with_age():
    weights = recency_weights(np.array([0, 86_400, 172_800]), half_life_days=1.0)
    np.testing.assert_allclose(weights, np.array([1, 2, 4]) * 3 / 7)


def test_features_of_the_configuration_replace_the_data_sets_own(small_data):
    schema = small_data.schema.model_copy(update={"tasks": small_data.schema.tasks[:1]})
    config = RunConfig(data=DataConfig(dataset="synthetic"), features_and_tasks=schema)
    assert [task.name for task in prepare(config, small_data.interactions).schema.tasks] == [
        "watch"
    ]


def test_names_of_evaluation_that_there_are_not_are_told_together(small_data):
    evaluation = EvaluationConfig(metrics=("novelty", "ginni"), slices=("gendr", "genres"))
    config = small_data.config.model_copy(update={"evaluation": evaluation})
    with pytest.raises(SpecError) as error:
        replace(small_data, config=config)
    heading, *lines = str(error.value).splitlines()
    assert heading == "RunConfig has 3 faults:"
    assert "evaluation.metrics: `metrics` must be one of" in lines[0]
    assert "Did you mean 'gini'" in lines[0]
    assert "evaluation.slices: `slices` must be one of" in lines[1]
    assert "Did you mean 'gender'" in lines[1]
    assert "received 'genres'" in lines[2]


def test_what_tells_nothing_of_a_sequential_run_is_refused(small_data):
    colour = CategoricalFeature(name="colour", side="item", values=("red", "blue"))
    schema = small_data.schema
    schema = schema.model_copy(update={"features": (*schema.features, colour)})
    slices = ("gender", "surface", "colour")
    evaluation = EvaluationConfig(metrics=("novelty", "gauc", "gini"), slices=slices)
    run = RunConfig(data=small_data.config.data, evaluation=evaluation)
    assert replace(small_data, config=run, schema=schema).schema == schema
    sequential = run.model_copy(update={"sequence": SequenceConfig()})
    with pytest.raises(SpecError) as error:
        replace(small_data, config=sequential, schema=schema)
    heading, *lines = str(error.value).splitlines()
    assert heading == "RunConfig has 2 faults:"
    assert "evaluation.metrics: must be of lists with `sequence`, received 'gauc'" in lines[0]
    assert "evaluation.slices: must name features of users or of the context with" in lines[1]
    assert "received 'colour', an item's" in lines[1]


def test_metrics_of_what_there_is_not_are_refused(small_data):
    evaluation = EvaluationConfig(metrics=("gauc", "novelty"))
    config = small_data.config.model_copy(update={"evaluation": evaluation})

    def with_tasks(*kinds):
        tasks = tuple(task for task in small_data.schema.tasks if task.kind in kinds)
        schema = small_data.schema.model_copy(update={"tasks": tasks})
        return replace(small_data, config=config, schema=schema)

    assert with_tasks("retrieval", "binary").ranked_as == "watch"
    with pytest.raises(SpecError, match="metrics: 'gauc' tells of binary tasks, and the schema"):
        with_tasks("retrieval", "regression")
    text = "must be of judged rows where no lists are ranked, received 'novelty'; leave it out"
    with pytest.raises(SpecError, match=f"evaluation.metrics: {text}"):
        with_tasks("binary")


def test_columns_are_read_from_the_side_that_they_stand_on(small_data):
    frames, pairs = small_data.interactions, EventPairs(small_data)
    genders = frames.users.set_index("user_id")["gender"]
    prices = frames.items.set_index("item_id")["price"]
    events = frames.events
    assert pairs.texts("gender").tolist() == events["user_id"].map(genders).fillna("").tolist()
    assert pairs.texts("surface").tolist() == events["surface"].tolist()
    np.testing.assert_array_equal(pairs.column("price"), events["item_id"].map(prices))
    np.testing.assert_array_equal(pairs.column("rating"), events["rating"])
    numbers = replace(frames, users=frames.users.assign(gender=1.5))
    with pytest.raises(TypeError, match="`users.gender` must hold strings"):
        EventPairs(replace(small_data, interactions=numbers)).texts("gender")
