"""The SavedModel of a sequential recommender: equal to the model, and sound on any history."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf import SequenceConfig
from recsys_tf.export import ServedSequences, export_sequence_model
from recsys_tf.models import SequenceRecommender
from recsys_tf.preparation import SequenceData

LENGTH = 4
SIZES = {"embedding_dim": 8, "max_length": LENGTH, "encoder_options": {"num_layers": 1}}
PLAIN = SequenceConfig(**SIZES)
STEPS = SequenceConfig(
    **SIZES,
    encoder="hstu",
    has_times=True,
    action_column="surface",
    actions=("search", "mail"),
    content_features=("genres",),
)
BOTH_WAYS = SequenceConfig(**{**SIZES, "encoder": "bert4rec"})


class Served:
    """A model, what serves it, and the SavedModel as another process would load it."""

    def __init__(self, config, prepared, folder):
        self.data = SequenceData(prepared, config)
        self.model = SequenceRecommender(self.data.num_indices, config, self.data.content)
        # As if trained: scores that lie apart.
        table = self.model.item_encoder.table
        table.assign(np.random.default_rng(0).normal(size=table.shape))
        self.served = ServedSequences(self.model, self.data, max_k=500)
        self.folder = export_sequence_model(self.served, folder / "1")
        self.loaded = tf.saved_model.load(str(self.folder))
        items = prepared.interactions.items["item_id"].to_numpy()
        self.index = dict(zip(items, self.data.catalogue_items, strict=True))
        self.known = [each for each in items if self.index[each] > 1]

    def ask(self, histories, k, **steps):
        length = max(map(len, histories), default=0)
        rows = [[*each, *[""] * (length - len(each))] for each in histories]
        history = tf.constant(rows, tf.string, shape=[len(rows), length])
        if self.data.config.step_columns and not steps:
            steps = {"actions": tf.constant([[""]]), "times": tf.constant([[0]], tf.int64)}
        answer = self.loaded.signatures["recommend"](
            history=history, k=tf.constant(k, tf.int32), **steps
        )
        return answer["item_ids"].numpy().astype(str).tolist(), answer["scores"].numpy()

    def expected(self, history, **columns):
        """The whole order and its scores, by the model's own."""
        items = np.array([[self.index.get(each, 1) for each in history]])
        columns = {name: np.array([each]) for name, each in columns.items()}
        scores = self.model.scores({"items": items, **columns}).numpy()[0]
        left = [each for each in self.known if each not in history]
        ordered = sorted(left, key=lambda each: -scores[self.index[each]])
        return ordered, [scores[self.index[each]] for each in ordered]


@pytest.fixture(scope="module")
def plain(small_data, tmp_path_factory):
    return Served(PLAIN, small_data, tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def steps(small_data, tmp_path_factory):
    return Served(STEPS, small_data, tmp_path_factory.mktemp("steps"))


def assert_answers(answer, row, expected):
    ids, scores = answer
    num = len(expected[0])
    assert ids[row][:num] == expected[0]
    np.testing.assert_allclose(scores[row][:num], expected[1], rtol=1e-4, atol=1e-5)
    assert set(ids[row][num:]) <= {""}
    assert (scores[row][num:] == 0).all()


def test_answers_are_the_models_own_for_histories_of_any_length(plain):
    histories = [plain.known[:LENGTH], plain.known[:1], plain.known[5:7]]
    answer = plain.ask(histories, [400])
    for row, history in enumerate(histories):
        assert_answers(answer, row, plain.expected(history))


def test_answers_of_an_encoder_that_reads_both_ways_are_the_models_own(small_data, tmp_path):
    both = Served(BOTH_WAYS, small_data, tmp_path)
    history = both.known[:3]
    assert_answers(both.ask([history, []], [400]), 0, both.expected(history))


def test_the_moment_of_the_request_is_read(small_data, tmp_path):
    config = SequenceConfig(**SIZES, has_times=True, has_request_times=True)
    served = Served(config, small_data, tmp_path)
    # As if trained: gaps that lie apart.
    table = served.model.event_encoder.request_table.embeddings
    table.assign(np.random.default_rng(1).normal(size=table.shape))
    served.served = ServedSequences(served.model, served.data, max_k=500)
    served.loaded = tf.saved_model.load(
        str(export_sequence_model(served.served, tmp_path / "again" / "1"))
    )
    history, times = served.known[:2], [100, 130]
    for asked_at in (130, 5000, 0):
        moment = {"asked_at": tf.constant([asked_at], tf.int64)}
        answer = served.ask([history], [400], times=tf.constant([times], tf.int64), **moment)
        own = served.expected(history, times=times, asked_at=asked_at)
        assert_answers(answer, 0, own)
    left_out = served.served.recommend(
        tf.constant([history]), tf.constant([400]), times=tf.constant([times], tf.int64)
    )
    assert left_out["item_ids"][0, : len(own[0])].numpy().astype(str).tolist() == own[0]


def test_of_a_long_history_the_newest_are_read_and_all_left_out(plain):
    history = plain.known[: LENGTH + 3]
    (ids,), _ = plain.ask([history], [400])
    newest, _ = plain.expected(history[-LENGTH:])
    assert ids[: len(plain.known) - len(history)] == [e for e in newest if e not in history]


def test_items_of_the_history_are_answered_where_the_run_says_so(plain, small_data, tmp_path):
    export = small_data.config.export.model_copy(update={"is_seen_excluded": False})
    config = small_data.config.model_copy(update={"export": export})
    served = Served(PLAIN, replace(small_data, config=config), tmp_path)
    history = served.known[: LENGTH + 3]
    ids, scores = served.ask([history, []], [400])
    items = np.array([[served.index[each] for each in history[-LENGTH:]]])
    expected = served.model.scores({"items": items}).numpy()[0]
    ordered = sorted(served.known, key=lambda each: -expected[served.index[each]])
    assert ids[0][: len(ordered)] == ordered
    assert set(history) < set(ids[0])
    np.testing.assert_allclose(
        scores[0][: len(ordered)],
        [expected[served.index[each]] for each in ordered],
        rtol=1e-4,
        atol=1e-5,
    )
    # What is asked for itself goes before the run.
    left_out = ServedSequences(served.model, served.data, is_seen_excluded=True)
    (answer,) = left_out.recommend(tf.constant([history]), tf.constant([400]))["item_ids"].numpy()
    assert not set(history) & set(answer.astype(str))


def test_padding_at_any_place_changes_nothing(plain):
    first, second = plain.known[:2]
    ids, scores = plain.ask([["", first, "", second], [first, second]], [9])
    assert ids[0] == ids[1]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5)


def test_repeated_and_unknown_ids_are_read(plain):
    history = [plain.known[3], "nobody knows", plain.known[3]]
    assert_answers(plain.ask([history], [400]), 0, plain.expected(history))


def test_who_has_no_history_gets_what_is_popular(plain):
    counts = plain.data.popularity
    (ids,), scores = plain.ask([[]], [400])
    assert sorted(ids) == sorted(plain.known)
    assert scores[0].tolist() == sorted(counts[[plain.index[e] for e in plain.known]], reverse=True)
    assert scores[0].tolist() == [counts[plain.index[each]] for each in ids]


def test_each_request_has_its_own_k_and_one_above_the_catalogue_gives_all(plain):
    ids, _ = plain.ask([plain.known[:1]] * 2, [2, 10_000])
    assert [sum(each != "" for each in row) for row in ids] == [2, len(plain.known) - 1]
    assert len(ids[0]) == len(plain.known)


def test_no_request_gives_no_answer(plain):
    ids, scores = plain.ask([], [3])
    assert ids == []
    assert scores.shape[0] == 0


@pytest.mark.parametrize("k", [[0], [-1], [1, 2, 3]])
def test_a_k_that_is_none_is_refused(plain, k):
    with pytest.raises(tf.errors.InvalidArgumentError, match="`k` must"):
        plain.ask([plain.known[:1]] * 2, k)


def test_actions_and_times_are_read_as_the_model_reads_them(steps):
    history = steps.known[:3]
    answer = steps.ask(
        [history],
        [400],
        actions=tf.constant([["mail", "no kind", ""]]),
        times=tf.constant([[100, 90, 5000]], tf.int64),
    )
    expected = steps.expected(history, actions=[3, 1, 0], times=[100, 90, 5000])
    assert_answers(answer, 0, expected)


def test_steps_of_which_nothing_is_told_are_missing_ones(steps):
    history = steps.known[:3]
    answer = steps.ask([history], [400])
    assert_answers(answer, 0, steps.expected(history, actions=[0] * 3, times=[0] * 3))
    told = steps.served.recommend(tf.constant([history]), tf.constant([400]))
    assert told["item_ids"].numpy().astype(str).tolist() == answer[0]


def test_actions_of_another_length_are_refused(steps):
    with pytest.raises(tf.errors.InvalidArgumentError):
        steps.ask(
            [steps.known[:3]],
            [4],
            actions=tf.constant([["mail", "mail"]]),
            times=tf.constant([[0]], tf.int64),
        )


@pytest.mark.parametrize("which", ["plain", "steps"])
def test_a_session_gives_the_same_by_operations_of_tensorflow_alone(which, request):
    found = request.getfixturevalue(which)
    # As TensorFlow Serving and the local server load it; what is not fed takes its default.
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], str(found.folder))
        signature = meta_graph.signature_def["recommend"]
        feeds = {"history": [found.known[:2]], "k": [6]}
        feeds = {signature.inputs[name].name: value for name, value in feeds.items()}
        answer = session.run({k: v.name for k, v in signature.outputs.items()}, feeds)
        definition = graph.as_graph_def()
    nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
    functions = {each.signature.name for each in definition.library.function}
    foreign = {n.op for n in nodes if not hasattr(tf.raw_ops, n.op)} - functions
    # The graph's ends, which have no function in Python.
    assert foreign <= {"_Arg", "_Retval"}
    assert not {node.op for node in nodes} & {"PyFunc", "EagerPyFunc", "PyFuncStateless"}
    assert answer["item_ids"].astype(str).tolist() == found.ask([found.known[:2]], [6])[0]


def test_the_configuration_lies_beside_the_graph(steps):
    assert SequenceConfig.from_yaml(steps.folder / "assets.extra" / "sequence.yaml") == STEPS


def test_a_folder_in_use_is_refused(plain):
    with pytest.raises(ValueError, match="must be new or empty"):
        export_sequence_model(plain.served, plain.folder)


def test_data_of_another_catalogue_are_refused(plain, small_data):
    other = SequenceRecommender(plain.data.num_indices + 1, PLAIN)
    with pytest.raises(ValueError, match=r"`model` must have a row for each of the \d+ indices"):
        ServedSequences(other, plain.data)


@pytest.mark.slow
def test_the_local_server_answers_the_client_from_histories_alone(steps):
    serving = pytest.importorskip("serving.server")
    from serving.client import RecommenderClient

    model = serving.ModelConfig("films", str(steps.folder.parent))
    config = serving.ServerConfig((model,), grpc_port=0, rest_port=None)
    with serving.serve(config) as server:
        assert server.wait_until_ready(30), server.problems()
        with RecommenderClient(f"127.0.0.1:{server.grpc_port}", "films") as client:
            one, nobody = client.recommend(["a", "b"], [steps.known[:2], []], k=5)
    assert one.item_ids.tolist() == steps.ask([steps.known[:2]], [5])[0][0]
    assert nobody.item_ids.tolist() == steps.ask([[]], [5])[0][0]
