"""What a request may wish of the exported SavedModel: variety and caps, on calibrated scores."""

import json
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from recsys_tf.config import ExportConfig
from recsys_tf.evaluation import candidate_embeddings
from recsys_tf.export import raw_queries, recommend
from recsys_tf.metrics import intra_list_diversity
from recsys_tf.score_fusion import score_fusion_from_dict

SURFACES = ["mail", "search"]


@pytest.fixture(scope="module")
def genres(small_data):
    items = small_data.interactions.items
    return dict(zip(items["item_id"], items["genres"], strict=True))


def ids(answer):
    return [[each.decode() for each in row] for row in answer["item_ids"].numpy()]


# The signature


def test_wishes_are_inputs_where_the_configuration_names_them(served, make_served):
    assert set(served.wish_specs()) == {"k", "diversity", "max_per_category"}
    assert set(make_served(ExportConfig(reranker="dpp")).wish_specs()) == {"k", "diversity"}
    assert set(make_served(ExportConfig()).wish_specs()) == {"k"}


def test_wishes_have_defaults_in_the_signature_and_other_inputs_none(folder, served):
    saved = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    signatures = saved.meta_graphs[0].signature_def
    names = {*served.raw_specs(has_items=False), "k", "diversity", "max_per_category"}
    assert set(signatures["recommend"].inputs) == names
    defaults = {
        name: tf.make_ndarray(proto) for name, proto in signatures["recommend"].defaults.items()
    }
    assert {name: (each.dtype, each.tolist()) for name, each in defaults.items()} == {
        "diversity": (np.float32, [0.0]),
        "max_per_category": (np.int32, [0]),
    }
    assert not signatures["rank"].defaults


# Order


def test_without_wishes_it_is_the_plain_order(ask, make_served, config, known, asking):
    plain = config.model_copy(update={"reranker": None, "category_feature": None})
    served = make_served(plain)
    by_name = asking(lambda k, **raw: served.recommend(raw, k), served)
    expected = by_name(*known, [9, 9], surface=tf.constant(SURFACES))
    answer = ask(*known, [9, 9])
    assert ids(answer) == ids(expected)
    for name, values in expected.items():
        if name != "item_ids":
            np.testing.assert_allclose(answer[name], values, rtol=1e-6)


def test_row_without_wishes_is_plain_beside_rows_that_have_some(ask, known):
    plain = ask(*known, [8, 8])
    mixed = ask(*known, [8, 8], diversity=[0.0, 0.9], max_per_category=[0, 1])
    assert ids(mixed)[0] == ids(plain)[0]
    assert ids(mixed)[1] != ids(plain)[1]


def test_diversity_makes_lists_more_diverse(ask, trained, small_data):
    vectors = candidate_embeddings(trained[0], small_data)[:, :-1]
    row = {each: at for at, each in enumerate(small_data.catalogue.columns["item_id"])}
    users = small_data.interactions.users["user_id"].tolist()[:20]

    def diversity_of_lists(diversity):
        answer = ask(
            users, [[]] * 20, [10] * 20, [diversity] * 20, surface=tf.constant(["mail"] * 20)
        )
        rows = np.array([[row[each] for each in own] for own in ids(answer)])
        return float(np.mean(intra_list_diversity(rows, vectors, "cosine")))

    at = [diversity_of_lists(each) for each in (0.0, 0.9, 1.0)]
    assert at[0] < at[1] < at[2]
    assert at[2] > 1.15 * at[0]


@pytest.mark.parametrize("reranker", ["dpp", "max_sum", "mmr"])
def test_what_everybody_likes_is_not_alike_for_that(
    reranker, make_served, small_data, add_to_item_biases
):
    def lists(diversity):
        served = make_served(ExportConfig(reranker=reranker))
        users = small_data.interactions.users["user_id"].tolist()[:20]
        raw = raw_queries(served, small_data.interactions, users)
        return [ids(served.recommend(raw, tf.constant([10]), tf.constant([d]))) for d in diversity]

    plain, varied = lists([0.0, 0.7])
    assert plain != varied
    add_to_item_biases(8.0)
    assert lists([0.0, 0.7]) == [plain, varied]


def test_variety_may_be_that_of_a_feature(make_served, small_data, genres):
    served = make_served(ExportConfig(reranker="max_sum", similarity_feature="genres"))
    users = small_data.interactions.users["user_id"].tolist()[:20]
    raw = raw_queries(served, small_data.interactions, users)

    def num_genres(diversity):
        answer = served.recommend(raw, tf.constant([10]), tf.constant([diversity]))
        return sum(len({genre for each in own for genre in genres[each]}) for own in ids(answer))

    assert num_genres(0.0) < num_genres(0.3) < num_genres(1.0)


def test_best_item_stays_first_and_task_scores_belong_to_their_item(ask, known):
    plain, varied = ask(*known, [30, 30]), ask(*known, [30, 30], [0.8, 0.8])
    for row in range(2):
        assert ids(varied)[row][0] == ids(plain)[row][0]
        at = {each: place for place, each in enumerate(ids(plain)[row])}
        both = [(place, at[each]) for place, each in enumerate(ids(varied)[row]) if each in at]
        assert len(both) > 5
        for name in ("scores", "click", "rating", "watch"):
            found, wanted = varied[name].numpy()[row], plain[name].numpy()[row]
            np.testing.assert_allclose(
                [found[new] for new, _ in both], [wanted[old] for _, old in both], rtol=1e-5
            )


def test_shorter_list_is_the_beginning_of_a_longer_one(ask, known):
    long = ids(ask(*known, [20, 20], [0.5, 0.5], [3, 3]))
    short = ids(ask(*known, [4, 20], [0.5, 0.5], [3, 3]))
    assert short[0] == long[0][:4] + [""] * 16
    assert short[1] == long[1]


def test_one_value_serves_all_rows(ask, known):
    assert ids(ask(*known, [9], [0.6], [2])) == ids(ask(*known, [9, 9], [0.6, 0.6], [2, 2]))


# Caps


@pytest.mark.parametrize("diversity", [0.0, 0.7])
@pytest.mark.parametrize("cap", [1, 2])
def test_caps_hold(ask, known, genres, cap, diversity):
    answer = ask(*known, [6, 6], [diversity] * 2, [cap] * 2)
    for own in ids(answer):
        counts = Counter(genre for each in own if each for genre in genres[each])
        assert max(counts.values()) <= cap


def test_cap_alone_passes_over_the_full_and_keeps_the_order(ask, known, genres):
    plain, capped = ids(ask(*known, [30, 30])), ids(ask(*known, [5, 5], [0.0], [2]))
    for row in range(2):
        expected, counts = [], Counter()
        for each in plain[row]:
            if len(expected) < 5 and all(counts[genre] < 2 for genre in genres[each]):
                expected.append(each)
                counts.update(genres[each])
        assert len(expected) == 5
        assert capped[row] == expected


def test_places_that_caps_leave_empty_are_filled_up(ask, known):
    answer = ask(*known, [30, 30], [0.5], [1])
    for own, scores in zip(ids(answer), answer["scores"].numpy(), strict=True):
        num = len([each for each in own if each])
        assert 0 < num < 30
        assert all(own[:num])
        assert own[num:] == [""] * (30 - num)
        assert not scores[num:].any()


# Lengths


def test_history_stays_out_and_few_items_fill_few_places(ask, small_data):
    everything = small_data.catalogue.columns["item_id"].tolist()
    answer = ask(["u", "v"], [everything[3:], everything], [7, 7], [0.9, 0.9])
    own = ids(answer)
    assert sorted(own[0][:3]) == sorted(everything[:3])
    assert own[0][3:] == [""] * 4
    assert own[1] == [""] * 7


def test_more_than_max_k_is_cut(ask, known):
    assert ask(*known, [1000, 1000], [0.5, 0.5])["item_ids"].shape == (2, 30)


@pytest.mark.parametrize(("diversity", "cap"), [([], []), ([0.5], [1])])
def test_empty_request_has_an_empty_answer(ask, diversity, cap):
    assert ask([], [], [], diversity, cap)["item_ids"].shape == (0, 0)


# Wrong wishes


@pytest.mark.parametrize("diversity", [float("nan"), -0.01, 1.01, float("inf")])
def test_diversity_that_is_no_share_is_refused(ask, known, diversity):
    rule = r"`diversity` must be from 0 \(relevance only\) to 1 \(diversity only\)"
    with pytest.raises(tf.errors.InvalidArgumentError, match=rule):
        ask(*known, [3, 3], [0.0, diversity])


def test_wish_needs_one_value_a_row(ask, known):
    with pytest.raises(tf.errors.InvalidArgumentError, match="`diversity` must have one value"):
        ask(*known, [3, 3], [0.1, 0.2, 0.3])
    with pytest.raises(tf.errors.InvalidArgumentError, match="`max_per_category` must have one"):
        ask(*known, [3, 3], [0.1], [1, 2, 3])
    # Of one user, too, where three rows would be answered.
    with pytest.raises(tf.errors.InvalidArgumentError, match="`k` must have one value"):
        ask(["a"], [[]], [3, 3, 3])


def test_wish_without_its_part_of_the_configuration_is_refused(make_served, small_data):
    plain = make_served(ExportConfig())
    raw = raw_queries(plain, small_data.interactions, ["a"])
    with pytest.raises(ValueError, match="`diversity` must be None.*`ExportConfig.reranker`"):
        plain.recommend(raw, tf.constant([3]), tf.constant([0.5]))
    with pytest.raises(ValueError, match="`max_per_category` must be None.*category_feature`"):
        plain.recommend(raw, tf.constant([3]), None, tf.constant([1]))


def test_unknown_names_are_answered_with_the_nearest(make_served):
    with pytest.raises(
        ValueError, match="`reranker` must be one of 'dpp', 'max_sum', 'mmr'.*mean 'mmr'"
    ):
        make_served(ExportConfig(reranker="mrm"))
    with pytest.raises(ValueError, match="`category_feature` must be one of 'genres', received"):
        make_served(ExportConfig(reranker="mmr", category_feature="title"))


# Calibrated scores


def test_scores_are_those_of_numpy(ask, known, calibrations, small_data):
    assert calibrations["click"].by_scenario
    assert calibrations["rating"].by_scenario
    values = small_data.schema.feature("surface").values
    scenarios = np.array([2 + values.index(each) for each in SURFACES])
    answer = ask(*known, [10, 10])
    expected = calibrations["click"].apply(answer["click"].numpy(), scenarios)
    expected += 0.1 * calibrations["rating"].apply(answer["rating"].numpy(), scenarios)
    np.testing.assert_allclose(answer["scores"], expected, atol=2e-6)
    assert np.all(np.diff(answer["scores"].numpy(), axis=1) <= 0)


def test_fusion_and_calibrations_lie_beside_the_graph(folder, served):
    saved = json.loads((folder / "assets.extra" / "score_fusion.json").read_text())
    assert saved["name"] == "weighted_sum"
    assert score_fusion_from_dict(saved).get_config() == served.fusion.get_config()
    assert set(saved["config"]["calibrations"]) == {"click", "rating"}


# Ways in


def test_recommend_by_title_takes_wishes(served, small_data, genres):
    def asked(**wishes):
        return recommend(served, small_data.interactions, ["a"], histories=[[]], k=6, **wishes)

    assert asked()["item_id"].tolist() == asked(diversity=0.0)["item_id"].tolist()
    assert asked()["item_id"].tolist() != asked(diversity=0.9)["item_id"].tolist()
    capped = asked(max_per_category=1)["item_id"]
    assert max(Counter(genre for each in capped for genre in genres[each]).values()) == 1


def test_client_sends_what_it_is_told_and_the_signature_switches_off_the_rest(folder, ask, known):
    pytest.importorskip("grpc")
    from serving import RecommenderClient, ServingError
    from serving.server import ModelConfig, ServerConfig, serve

    config = ServerConfig((ModelConfig("wishes", str(folder.parent)),), grpc_port=0, rest_port=0)
    with serve(config) as server:
        assert server.wait_until_ready(60), server.problems()
        with RecommenderClient(f"127.0.0.1:{server.grpc_port}", "wishes", timeout_s=60) as client:

            def asked(**wishes):
                offers = client.recommend(*known, {"surface": SURFACES, **wishes}, 9)
                return [offer.item_ids.tolist() for offer in offers]

            assert {"diversity", "max_per_category"} <= client.metadata()["recommend"].optional
            assert asked() == ids(ask(*known, [9, 9]))
            alone = ids(ask(*known, [9, 9], [0.0], [1]))
            assert asked(max_per_category=1) == [[each for each in own if each] for own in alone]
            varied = ids(ask(*known, [9, 9], [0.3, 0.6], [2, 0]))
            assert asked(diversity=[0.3, 0.6], max_per_category=[2, 0]) == varied
            with pytest.raises(ServingError, match="`diversity` must be from 0") as error:
                asked(diversity=float("nan"))
            assert error.value.code == "INVALID_ARGUMENT"
