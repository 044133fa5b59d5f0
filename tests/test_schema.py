"""A schema holds together, and says everything that does not at once."""

import pytest

from recsys_tf import Schema, SpecError, TableSchema, TaskSpec

USER = {"name": "user_id", "kind": "id", "side": "user"}
ITEM = {"name": "item_id", "kind": "id", "side": "item"}
GENRES = {"name": "genres", "kind": "categorical", "side": "item", "is_multivalent": True}
TITLE = {"name": "title", "kind": "text", "side": "item"}
COST = {"name": "price", "kind": "numeric", "side": "item"}
HOUR = {"name": "hour", "kind": "categorical", "side": "context"}
HISTORY = {"name": "history", "kind": "history", "side": "user", "of": "item_id"}
WATCH = {"name": "watch", "kind": "retrieval"}
RATING = {"name": "rating", "kind": "regression", "label": "r"}


def make(features=(), tasks=(WATCH,), **fields):
    return Schema.from_dict({"features": [USER, ITEM, *features], "tasks": list(tasks), **fields})


def test_features_lie_on_their_sides():
    schema = make([GENRES, HOUR])
    assert [each.name for each in schema.query_features] == ["user_id", "hour"]
    assert [each.name for each in schema.candidate_features] == ["item_id", "genres"]


def test_tasks_are_told_apart():
    schema = make(
        [GENRES, TITLE],
        [
            WATCH,
            {"name": "rating", "kind": "regression", "label": "rating"},
            {
                "name": "content",
                "kind": "multilabel",
                "label": "genres",
                "from_features": ["title"],
            },
        ],
    )
    assert schema.retrieval_task.name == "watch"
    assert [each.name for each in schema.ranking_tasks] == ["rating"]
    assert [each.name for each in schema.auxiliary_tasks] == ["content"]


def test_tasks_of_one_number_are_told_apart():
    schema = make(tasks=[WATCH, RATING])
    kind = TaskSpec(name="kind", kind="multiclass", label="hour")
    schema = schema.model_copy(update={"tasks": (*schema.tasks, kind)})
    assert [each.name for each in schema.ranking_tasks] == ["rating", "kind"]
    assert [each.name for each in schema.single_tasks] == ["rating"]


def test_yaml_round_trip(tmp_path):
    schema = make([GENRES, TITLE, HOUR], scenario={"feature": "hour"})
    schema.to_yaml(tmp_path / "schema.yaml")
    assert Schema.from_yaml(tmp_path / "schema.yaml") == schema


def test_a_schema_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        make().user_id = "someone"


def test_all_faults_are_reported_together():
    with pytest.raises(SpecError) as error:
        make(
            [GENRES, GENRES],
            [
                {"name": "like", "kind": "binary"},
                {
                    "name": "content",
                    "kind": "multilabel",
                    "label": "genre",
                    "from_features": ["titel"],
                },
            ],
            scenario={"feature": "hour"},
        )
    assert str(error.value).splitlines() == [
        "Schema has 5 faults:",
        "  features: the name 'genres' is given twice",
        "  scenario.feature: must name a single-valued categorical feature of the user or the "
        "context, received 'hour'",
        "  tasks.0.label: a task of kind 'binary' needs the name of a column",
        "  tasks.1.label: must name a multivalent categorical feature, received 'genre'",
        "  tasks.1.from_features: `feature` must be one of 'genres', 'item_id', 'user_id', "
        "received 'titel'. Did you mean 'item_id'?",
    ]


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"user_id": "member"}, "user_id: must name a feature of kind 'id' and side 'user'"),
        ({"features": [{**TITLE, "max_tokens": 2}]}, "greater than or equal to 4"),
        ({"features": [{**TITLE, "colour": 1}]}, "Extra inputs are not permitted"),
        ({"features": [{**TITLE, "name": "a b"}]}, "should match pattern"),
        (
            {"features": [{"name": "h", "kind": "history", "side": "user", "of": "user_id"}]},
            r"features.2.of: must be the item's id 'item_id'",
        ),
        ({"tasks": []}, "at least one task"),
        ({"features": [{**HOUR, "values": []}]}, r"values: must hold at least one value"),
        (
            {"features": [{**HOUR, "values": ["1", "2", "1", "", "a\nb", "c\r"]}]},
            r"values: must be different, .* received '1' twice or more, '', 'a\\nb', 'c\\r'$",
        ),
        (
            {"features": [{**HISTORY, "values_name": "r"}], "tasks": [WATCH, RATING]},
            "features.2.values_name: 'r' is the column of tasks.1.label too, .* as 'history_r'$",
        ),
        (
            {
                "features": [{**HISTORY, "values_name": "w"}],
                "tasks": [WATCH, {**RATING, "sample_weight": "w"}],
            },
            "values_name: 'w' is the column of tasks.1.sample_weight too",
        ),
        (
            {"features": [{**HISTORY, "times_name": "timestamp"}]},
            "features.2.times_name: 'timestamp' is the column of timestamp too",
        ),
        (
            {"features": [{**HISTORY, "values_name": "v", "times_name": "v"}]},
            "features: the name 'v' is given twice",
        ),
        (
            {"features": [{**HISTORY, "actions_name": "kinds", "actions": ["a"]}]},
            "`actions_name`, `actions` and `action_column` are given together or not at all, "
            r"received 'kinds', \('a',\) and None",
        ),
        (
            {
                "features": [
                    {**HISTORY, "actions_name": "k", "actions": ["a", "a"], "action_column": "k"}
                ]
            },
            r"actions: must be different names, none empty, received \('a', 'a'\)",
        ),
        (
            {"features": [{**HISTORY, "values_name": "timestamp"}]},
            "values_name: 'timestamp' is the column of timestamp too",
        ),
        (
            {"features": [{**COST, "side": "context", "name": "ts"}], "timestamp": "ts"},
            r"features.2.name: 'ts' is the column of the times \(`timestamp`\), which the feature",
        ),
        (
            {"tasks": [{**RATING, "label": "timestamp"}]},
            r"tasks.0.label: 'timestamp' is the column of the times",
        ),
        ({"tasks": [WATCH, {**WATCH, "name": "b"}]}, "at most one task may be of kind 'retrieval'"),
        (
            {
                "features": [GENRES],
                "tasks": [
                    {
                        "name": "g",
                        "kind": "multilabel",
                        "label": "genres",
                        "from_features": ["genres"],
                    }
                ],
            },
            "holds the label 'genres' itself",
        ),
        (
            {
                "features": [GENRES],
                "tasks": [{"name": "g", "kind": "multilabel", "label": "genres"}],
            },
            "tasks.0.label: 'genres' is one of the features, which the task's head reads, so that "
            "the answer leaks; name `from_features` without it$",
        ),
        (
            {"features": [COST], "tasks": [{"name": "p", "kind": "regression", "label": "price"}]},
            "tasks.0.label: 'price' is one of .*, or leave the feature out: a label of numbers",
        ),
        (
            {"tasks": [{**WATCH, "label": "rating"}]},
            "for retrieval give both `label` and `positive_at_least`, or neither",
        ),
        (
            {"tasks": [{"name": "r", "kind": "regression", "label": "r", "value_range": [5, 1]}]},
            "value_range: must be the lowest, then the highest, received",
        ),
        (
            {"features": [HOUR], "tasks": [{"name": "h", "kind": "binary", "label": "hour"}]},
            "tasks.0.label: must name a column of numbers, 'hour' is a feature of kind 'categ",
        ),
        (
            {"features": [HOUR], "tasks": [{**WATCH, "sample_weight": "hour"}]},
            "tasks.0.sample_weight: must name a column of numbers, 'hour' is a feature",
        ),
    ],
)
def test_fault_is_named(fields, fault):
    with pytest.raises(SpecError, match=fault):
        make(**fields)


@pytest.mark.parametrize(("kind", "label"), [("multiclass", "hour"), ("binary", "price")])
def test_label_that_is_a_feature_needs_a_head_that_does_not_read_it(kind, label):
    task = {"name": "t", "kind": kind, "label": label}
    features = [COST, HOUR]
    with pytest.raises(SpecError, match="has 1 fault:\n  tasks.1.label: .* name `from_features`"):
        make(features, [WATCH, task])
    make(features, [WATCH, {**task, "from_features": ["user_id"]}])


@pytest.mark.parametrize(
    ("task", "fault"),
    [
        ({"kind": "multiclass", "label": "hour"}, "kind: a ranker of a table has no auxiliary"),
        (
            {"kind": "multiclass", "label": "hour", "from_features": ["price"]},
            "from_features: a ranker of a table has no auxiliary tasks; leave the task out",
        ),
        (
            {"kind": "binary", "label": "like", "from_features": ["price"]},
            "from_features: a ranker of a table has no auxiliary tasks; leave the task out",
        ),
        # Nothing is advised that is refused next.
        ({"kind": "binary", "label": "price"}, "label: .* answer leaks; leave the feature out"),
    ],
)
def test_table_has_no_heads_over_chosen_features(task, fault):
    tasks = [{"name": "t", **task}]
    with pytest.raises(SpecError, match=f"has 1 fault:\n  tasks.0.{fault}"):
        TableSchema.from_dict({"features": [COST, HOUR], "tasks": tasks})


def test_unknown_feature_is_answered_with_the_nearest():
    with pytest.raises(KeyError, match="Did you mean 'genres'"):
        make([GENRES]).feature("genre")


def test_missing_file_and_broken_yaml_are_told_apart(tmp_path):
    with pytest.raises(SpecError, match="cannot be read: No such file"):
        Schema.from_yaml(tmp_path / "none.yaml")
    (tmp_path / "broken.yaml").write_text("features: [")
    with pytest.raises(SpecError, match="is not valid YAML"):
        Schema.from_yaml(tmp_path / "broken.yaml")


AGE = {"name": "age", "kind": "numeric", "side": "user"}
LIKE = {"name": "like", "kind": "binary", "label": "like"}


def test_bins_of_a_number_stay_in_yaml(tmp_path):
    features = [{**AGE, "num_bins": 32}, {**AGE, "name": "weight"}]
    schema = TableSchema.from_dict({"features": features, "tasks": [LIKE]})
    schema.to_yaml(tmp_path / "schema.yaml")
    assert TableSchema.from_yaml(tmp_path / "schema.yaml") == schema
    assert [each.num_bins for each in schema.features] == [32, None]
    assert [each.width for each in schema.features] == [3, 2]


def test_table_needs_no_ids():
    schema = TableSchema.from_dict({"features": [AGE, HOUR], "tasks": [LIKE]})
    assert [each.name for each in schema.ranking_tasks] == ["like"]
    assert TableSchema.from_dict(schema.to_dict()) == schema


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"features": []}, "features: at least one feature is needed"),
        ({"tasks": [WATCH]}, "tasks.0.kind: rows of a table hold no items to retrieve"),
        (
            {"features": [{"name": "h", "kind": "history", "side": "user", "of": "item_id"}]},
            "features.0.kind: a row of a table has no history; use `Schema`",
        ),
        (
            {"features": [GENRES], "scenario": {"feature": "genres"}},
            "scenario.feature: must name a single-valued categorical feature",
        ),
        ({"user_id": "user_id"}, "Extra inputs are not permitted"),
        (
            {"features": [{**AGE, "num_bins": 1}]},
            "features.0.numeric.num_bins: Input should be greater than or equal to 2",
        ),
    ],
)
def test_fault_of_a_table_is_named(fields, fault):
    with pytest.raises(SpecError, match=fault):
        TableSchema.from_dict({"features": [AGE], "tasks": [LIKE], **fields})


def test_history_takes_the_first_ratings():
    rating = {"name": "rating", "kind": "regression", "label": "stars"}
    assert make(tasks=[WATCH, LIKE, rating]).history_label == "stars"
    assert make(tasks=[WATCH, LIKE]).history_label is None


def test_history_takes_no_label_of_an_auxiliary_task():
    price = {"name": "p", "kind": "regression", "label": "price", "from_features": ["title"]}
    rating = {"name": "rating", "kind": "regression", "label": "stars"}
    assert make([COST, TITLE], [WATCH, price, rating]).history_label == "stars"
    assert make([COST, TITLE], [WATCH, price]).history_label is None


CLICK = {"name": "click", "kind": "binary", "label": "click"}
CART = {"name": "cart", "kind": "binary", "label": "cart", "after": "click"}
BUY = {"name": "buy", "kind": "binary", "label": "buy", "after": "cart"}
PRICE = {"name": "price", "kind": "regression", "label": "price"}
LOOK = {**CLICK, "name": "look", "from_features": ["age"]}


def of_tasks(*tasks):
    return TableSchema.from_dict({"features": [AGE], "tasks": list(tasks)})


def test_steps_of_a_chain_are_ordered_whatever_the_order_of_the_tasks():
    assert list(of_tasks(BUY, CLICK, CART).parents.items()) == [("cart", "click"), ("buy", "cart")]
    assert of_tasks(CLICK).parents == {}


@pytest.mark.parametrize(
    ("tasks", "fault"),
    [
        ((CLICK, {**CART, "after": "clik"}), "tasks.1.after: `task` must .* Did you mean 'click'?"),
        (
            (PRICE, {**CART, "after": "price"}),
            "tasks.1.after: must name a task of kind 'binary' .*",
        ),
        ((LOOK, {**CART, "after": "look"}), "tasks.1.after: must name .* received 'look'"),
        ((CLICK, {**PRICE, "after": "click"}), "tasks.1.after: has a meaning only for .* 'binary'"),
        ((CLICK, {**LOOK, "after": "click"}), "tasks.1.after: has a meaning only .*from_features`"),
        (
            ({**CLICK, "after": "click"},),
            "tasks.0.after: must not lead back .* 'click' after 'click'",
        ),
        (
            ({**CLICK, "after": "buy"}, CART, BUY),
            "tasks.0.after: .* received 'click' after 'buy' after 'cart' after 'click'",
        ),
    ],
)
def test_fault_of_a_chain_is_named(tasks, fault):
    with pytest.raises(SpecError, match=fault):
        of_tasks(*tasks)


def test_task_that_comes_after_a_ring_is_not_blamed_for_it():
    with pytest.raises(SpecError) as error:
        of_tasks({**CLICK, "after": "cart"}, CART, BUY)
    assert str(error.value).startswith("TableSchema has 2 faults:")
    assert "tasks.2" not in str(error.value)
