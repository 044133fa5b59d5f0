"""What each gradient weighting promises, by hand, by twin or by a certificate of its optimum."""

import numpy as np
import pytest
from keras import ops

from recsys_tf.weighting import (
    IMTLG,
    MGDA,
    AlignedMTL,
    CAGrad,
    GradNorm,
    MetaBalance,
    NashMTL,
    PCGrad,
)
from recsys_tf.weighting.pcgrad import project


def tasks(count, **factors):
    return {**{f"task_{index}": 1.0 for index in range(count)}, **factors}


def draw(rng, num_tasks, kind):
    """Gradients `[T, N]`: any, nearly alike, nearly dependent, or of very unlike lengths."""
    gradients = rng.normal(size=(num_tasks, 20))
    if kind == "alike":
        gradients = rng.normal(size=20) + 0.01 * gradients
    elif kind == "conflicting":
        gradients -= 2 * np.mean(gradients, axis=0) - 0.3 * rng.normal(size=20)
    elif kind == "unlike lengths":
        gradients *= np.logspace(-1.5, 1.5, num_tasks)[:, None]
    elif kind == "dependent":
        gradients[-1] = gradients[:-1].sum(axis=0)
    return gradients


KINDS = ["any", "alike", "conflicting", "unlike lengths", "dependent"]
many = pytest.mark.parametrize("num_tasks", [2, 3, 5, 8])
kinds = pytest.mark.parametrize("kind", KINDS)


@many
@kinds
def test_mgda_is_the_shortest_of_the_hull(num_tasks, kind, rng, combine):
    gradients = draw(rng, num_tasks, kind)
    found = combine(MGDA(tasks(num_tasks)), gradients)
    # Optimal if and only if no gradient's part along the point is shorter than the point.
    longest = np.max(np.sum(gradients**2, axis=1))
    square = found @ found
    assert np.min(gradients @ found) >= square - 1e-6 * np.sqrt(longest * square) - 1e-12 * longest


def test_mgda_equals_frank_wolfe(twin, rng, combine):
    for num_tasks in (2, 4, 7):
        gradients = rng.normal(size=(num_tasks, 5))
        wanted = twin.shortest_by_frank_wolfe(gradients)
        np.testing.assert_allclose(combine(MGDA(tasks(num_tasks)), gradients), wanted, atol=1e-5)


def test_mgda_of_two_by_its_closed_form(combine):
    # Weight of the first: (g2 - g1) . g2 / |g2 - g1|^2 = (-1, 2) . (0, 2) / 5 = 4 / 5.
    found = combine(MGDA(tasks(2)), [[1.0, 0.0], [0.0, 2.0]])
    np.testing.assert_allclose(found, [0.8, 0.4], rtol=1e-6)
    # The angle is so sharp that the shorter gradient alone is the shortest.
    found = combine(MGDA(tasks(2)), [[1.0, 0.0], [3.0, 1.0]])
    np.testing.assert_allclose(found, [1.0, 0.0], rtol=1e-6)


@many
@kinds
@pytest.mark.parametrize("c", [0.0, 0.4, 0.9])
def test_cagrad_is_optimal(num_tasks, kind, c, rng, combine):
    gradients = draw(rng, num_tasks, kind)
    gram, mean = gradients @ gradients.T, gradients.mean(axis=0)
    weights = CAGrad(tasks(num_tasks), c=c).task_weights(gram, np.ones(num_tasks))
    weights = np.asarray(ops.convert_to_numpy(weights), "float64")
    found, radius = weights @ gradients, c * np.linalg.norm(mean)
    assert np.linalg.norm(found - mean) <= radius * (1 + 1e-5) + 1e-6 * np.linalg.norm(mean)
    # Weak duality: no direction in the ball does better than any convex combination allows.
    shares = np.maximum(weights - 1 / num_tasks, 0)
    shares = shares / shares.sum() if shares.sum() > 1e-6 else np.full(num_tasks, 1 / num_tasks)
    bound = shares @ gradients @ mean + radius * np.linalg.norm(shares @ gradients)
    least = np.min(gradients @ found)
    scale = np.linalg.norm(found) * np.max(np.linalg.norm(gradients, axis=1))
    assert c == 0 or least >= bound - 1e-5 * scale


def test_cagrad_stays_at_the_mean_where_no_direction_is_better(combine):
    # The first two stand against each other, so that the least gain is 0 everywhere.
    found = combine(CAGrad(tasks(3), c=0.5), [[1.0, 0.0], [-1.0, 0.0], [0.0, 3.0]])
    np.testing.assert_allclose(found, [0.0, 1.0], atol=1e-5)


@many
def test_pcgrad_equals_the_twin_on_the_gradients_themselves(num_tasks, twin, rng):
    gradients = draw(rng, num_tasks, "conflicting")
    orders = np.array([rng.permutation(num_tasks) for _ in range(num_tasks)])
    weights = project(ops.convert_to_tensor(gradients @ gradients.T), orders)
    found = ops.convert_to_numpy(weights) @ gradients
    np.testing.assert_allclose(found, twin.pcgrad(gradients, orders), rtol=1e-8, atol=1e-10)


def test_pcgrad_without_conflict_is_the_weighted_sum(combine):
    weighting = PCGrad(tasks(2, task_0=3.0))
    found = combine(weighting, [[1.0, 0.0], [1.0, 2.0]])
    np.testing.assert_allclose(found, [4.0, 2.0], rtol=1e-6)


def test_pcgrad_orders_are_random_and_repeated_by_the_seed(rng, combine):
    gradients = draw(rng, 4, "conflicting")
    first, second = (PCGrad(tasks(4), seed=5) for _ in range(2))
    found = [combine(first, gradients) for _ in range(8)]
    np.testing.assert_allclose(found[:3], [combine(second, gradients) for _ in range(3)])
    assert len(np.unique(np.round(found, 6), axis=0)) > 2


@many
@kinds
def test_imtl_projects_equally_onto_all_tasks(num_tasks, kind, rng, combine):
    if kind == "dependent" and num_tasks > 2:
        return  # No direction does; what least squares gives is tested by hand.
    gradients = draw(rng, num_tasks, kind)
    found = combine(IMTLG(tasks(num_tasks)), gradients)
    parts = gradients @ found / np.linalg.norm(gradients, axis=1)
    assert np.all(parts > 0)
    np.testing.assert_allclose(parts, parts[0], rtol=2e-4)


def test_imtl_of_dependent_gradients(combine):
    # Opposite: no direction serves both, whatever their lengths. Alike: both unit gradients half.
    np.testing.assert_allclose(combine(IMTLG(tasks(2)), [[1.0, 0.0], [-2.0, 0.0]]), 0, atol=1e-6)
    found = combine(IMTLG(tasks(2)), [[1.0, 0.0], [2.0, 0.0]])
    np.testing.assert_allclose(found, [4 / 3, 0.0], rtol=1e-6)


@many
@kinds
def test_nash_bargain_gives_every_task_its_power(num_tasks, kind, rng):
    gradients = draw(rng, num_tasks, kind)
    factors = tasks(num_tasks, task_0=3.0)
    weighting = NashMTL(factors, max_norm=1e9)
    gram = gradients @ gradients.T
    weights = weighting.task_weights(gram, np.ones(num_tasks))
    weights = np.asarray(ops.convert_to_numpy(weights), "float64")
    shares = weights * (gram @ weights) / np.array(list(factors.values()))
    assert np.all(weights > 0)
    np.testing.assert_allclose(shares / np.mean(shares), 1.0, rtol=2e-3)


@pytest.mark.parametrize("power", [1e-6, 1e-3, 1e3, 1e6])
def test_nash_bargain_of_unlike_powers_is_kept(power, rng):
    gradients = draw(rng, 5, "conflicting")
    factors = tasks(5, task_0=power)
    gram = gradients @ gradients.T
    weights = NashMTL(factors, max_norm=1e9).task_weights(gram, np.ones(5))
    weights = np.asarray(ops.convert_to_numpy(weights), "float64")
    shares = weights * (gram @ weights) / np.array(list(factors.values()))
    np.testing.assert_allclose(shares / np.mean(shares), 1.0, rtol=2e-3)


def test_nash_bargain_is_no_longer_than_its_largest_norm(rng, combine):
    found = combine(NashMTL(tasks(3), max_norm=0.5), draw(rng, 3, "any"))
    np.testing.assert_allclose(np.linalg.norm(found), 0.5, rtol=1e-5)


def test_nash_bargain_does_not_see_the_losses_units(rng, combine):
    gradients = draw(rng, 3, "any")
    found = combine(NashMTL(tasks(3)), gradients)
    scaled = combine(NashMTL(tasks(3)), gradients * [[100.0], [1.0], [0.01]])
    np.testing.assert_allclose(found, scaled, rtol=1e-4, atol=1e-6)


def test_aligned_gradients_are_orthogonal_and_of_one_length(rng):
    gradients = draw(rng, 3, "conflicting")
    gram = gradients @ gradients.T
    rows = []
    for task in range(3):
        weighting = AlignedMTL(tasks(3, **{f"task_{task}": 1e9}))
        rows.append(ops.convert_to_numpy(weighting.task_weights(gram, np.ones(3))) @ gradients)
    smallest = np.min(np.linalg.eigvalsh(gram))
    np.testing.assert_allclose(np.array(rows) @ np.transpose(rows), smallest * np.eye(3), atol=1e-4)


def test_grad_norm_equals_the_twin(twin, rng):
    lengths, losses = rng.uniform(0.2, 4.0, size=(2, 10, 3))
    weighting = GradNorm(tasks(3, task_1=2.0), alpha=1.2, learning_rate=0.05)
    for norms, each, wanted in zip(
        lengths, losses, twin.grad_norm(lengths, losses, 1.2, 0.05), strict=True
    ):
        found = weighting.task_weights(np.diag(norms**2), each)
        np.testing.assert_allclose(found, wanted * [1.0, 2.0, 1.0], rtol=1e-5)


def test_grad_norm_brings_the_lengths_together():
    weighting = GradNorm(tasks(2), alpha=0.0, learning_rate=0.1)
    for _ in range(40):
        weights = weighting.task_weights(np.diag([9.0, 1.0]), np.ones(2))
    np.testing.assert_allclose(ops.convert_to_numpy(weights) * [3.0, 1.0], 1.5, atol=0.3)


@pytest.mark.parametrize("broken", [float("inf"), float("nan")])
def test_grad_norm_leaves_out_a_broken_loss_whose_gradient_is_whole(broken):
    weighting = GradNorm(tasks(2), learning_rate=0.1)
    found = [
        ops.convert_to_numpy(weighting.task_weights(np.eye(2), np.array([1.0, loss], "float32")))
        for loss in (1.0, broken, 1.0)
    ]
    np.testing.assert_allclose(found, [[1.0, 1.0], [1.0, 0.0], [1.0, 1.0]], rtol=1e-6)
    np.testing.assert_allclose(weighting.first_losses, 1.0)


def test_grad_norm_never_turns_a_task_round():
    weighting = GradNorm(tasks(2), alpha=0.0, learning_rate=50.0)
    for _ in range(3):
        assert np.all(weighting.task_weights(np.diag([9.0, 1.0]), np.ones(2)) > 0)


@pytest.mark.parametrize("target", [None, "task_2"])
def test_metabalance_equals_the_twin(target, twin, rng):
    lengths = rng.uniform(0.2, 4.0, size=(6, 4, 3))
    weighting = MetaBalance(tasks(3), target, relax_factor=0.6, beta=0.8)
    weighting.build(4)
    if target is None:
        # The mean of all is a fourth task that reaches everything.
        lengths_of_target = np.mean(lengths, axis=2, keepdims=True)
        joined = np.concatenate([lengths, lengths_of_target], axis=2)
        wanted = twin.meta_balance(joined, 3, 0.6, 0.8)[..., :3]
    else:
        wanted = twin.meta_balance(lengths, 2, 0.6, 0.8)
    for each, weights in zip(lengths, wanted, strict=True):
        gram = each[:, :, None] ** 2 * np.eye(3)
        np.testing.assert_allclose(weighting.task_weights(gram, np.ones(3)), weights, rtol=1e-5)


def test_metabalance_leaves_variables_alone_that_the_target_does_not_reach():
    weighting = MetaBalance(tasks(3), "task_0")
    weighting.build(1)
    found = weighting.task_weights(np.diag([0.0, 4.0, 9.0])[None], np.ones(3))
    np.testing.assert_allclose(found, [[0.0, 1.0, 1.0]])


def test_metabalance_says_that_it_must_be_built():
    with pytest.raises(ValueError, match=r"`build\(2\)` must be called before gradients of 2"):
        MetaBalance(tasks(2)).task_weights(np.zeros([2, 2, 2]), np.ones(2))


def test_metabalance_keeps_its_means_and_their_number():
    weighting = MetaBalance(tasks(2))
    weighting.build(2)
    weighting.task_weights(np.stack([np.diag([4.0, 1.0])] * 2), np.ones(2))
    weighting.build(2)
    np.testing.assert_allclose(weighting.mean_lengths, [[0.2, 0.1]] * 2, rtol=1e-6)
    with pytest.raises(ValueError, match="`num_variables` must be 2, .* received 3"):
        weighting.build(3)


@pytest.mark.parametrize("method", [IMTLG, MGDA, GradNorm])
def test_factors_act_after_the_balancing(method, rng, combine):
    gradients = draw(rng, 2, "any")
    gram = gradients @ gradients.T
    plain = ops.convert_to_numpy(method(tasks(2)).task_weights(gram, np.ones(2)))
    factored = method(tasks(2, task_0=3.0)).task_weights(gram, np.ones(2))
    np.testing.assert_allclose(factored, plain * [3.0, 1.0], rtol=1e-5)
