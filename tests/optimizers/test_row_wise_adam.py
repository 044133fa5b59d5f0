"""Row-wise Adam steps the rows that a batch read, as Adam does, and leaves the others alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.optimizers import RowWiseAdam, row_wise_adam

OPTIONS = [
    {},
    {"global_clipnorm": 1.0},
    {"clipvalue": 0.3},
    {"weight_decay": 0.1},
    {"beta_2": 0.99, "epsilon": 1e-3},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_steps_equal_those_of_keras_where_every_row_is_read(options, step, every_row):
    sparse, dense = every_row
    ours = step(RowWiseAdam(0.1, **options), sparse)
    theirs = step(keras.optimizers.Adam(0.1, **options), dense)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-5)


def test_steps_without_kernels_are_the_same(step, every_row, monkeypatch):
    expected, _ = step(RowWiseAdam(0.1), every_row[0])
    monkeypatch.setattr(row_wise_adam, "_has_kernels", lambda _: False)
    found, _ = step(RowWiseAdam(0.1), every_row[0])
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_coordinate_without_a_gradient_yet_stays(step, every_row):
    slices = every_row[0][0]
    values = slices.values * [1.0, 0.0, 1.0]
    start, _ = step(RowWiseAdam(0.0), [slices])
    found, _ = step(RowWiseAdam(0.1), [tf.IndexedSlices(values, slices.indices)])
    np.testing.assert_array_equal(found[:, 1], start[:, 1])


def test_row_that_is_not_read_does_not_move_and_its_moments_wait(step, some_rows):
    rows = [[0, 2], [2, 2], [0, 3]]
    gradients = [some_rows(each, seed) for seed, each in enumerate(rows)]
    optimizer = RowWiseAdam(0.1)
    found, _ = step(optimizer, gradients)
    # The twin: NumPy's Adam, row by row, with the corrections of the run's steps.
    start, _ = step(RowWiseAdam(0.0), gradients[:1])
    expected, m, v = start.astype("float64"), np.zeros([5, 3]), np.zeros([5, 3])
    for number, each in enumerate(gradients, start=1):
        dense = np.asarray(tf.convert_to_tensor(each))
        for row in set(each.indices.numpy()):
            m[row] = 0.9 * m[row] + 0.1 * dense[row]
            v[row] = 0.999 * v[row] + 0.001 * dense[row] ** 2
            spread = np.sqrt(v[row] / (1 - 0.999**number))
            expected[row] -= 0.1 * m[row] / (1 - 0.9**number) / (spread + 1e-7)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found[[1, 4]], start[[1, 4]])
    np.testing.assert_allclose(optimizer._velocities[0], v, rtol=1e-5)


def test_a_step_of_a_graph_reads_and_writes_rows_alone(some_rows):
    optimizer = RowWiseAdam(0.1, global_clipnorm=1.0, weight_decay=0.1)
    table = keras.Variable(np.ones([5, 3], "float32"))
    optimizer.build([table])

    @tf.function
    def step():
        optimizer.apply([some_rows([3, 3, 1])], [table])

    graph = step.get_concrete_function().graph
    whole = [
        each.name
        for each in graph.get_operations()
        for output in each.outputs
        if output.shape.rank == 2 and output.shape[0] == 5
    ]
    assert whole == []


def test_half_precision_is_stepped_in_half_precision(step, every_row):
    sparse, dense = every_row
    ours, _ = step(RowWiseAdam(0.1), sparse[:2], "bfloat16")
    theirs, _ = step(keras.optimizers.Adam(0.1), dense[:2], "bfloat16")
    np.testing.assert_allclose(ours, theirs, atol=0.05)


@pytest.mark.parametrize(
    "options", [{"amsgrad": True}, {"use_ema": True}, {"gradient_accumulation_steps": 2}], ids=str
)
def test_what_walks_the_whole_table_is_refused(options):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be left out"):
        RowWiseAdam(0.1, **options)


def test_configuration_makes_the_same_optimizer():
    made = RowWiseAdam(0.2, beta_2=0.95, global_clipnorm=3.0, weight_decay=0.1)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(made))
    assert type(again) is RowWiseAdam
    assert again.get_config() == made.get_config()
