"""What makes batches is a graph: Python is asked for none of them."""

from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from recsys_tf.features import Sequences, make_dataset, make_record_dataset, make_sequence_dataset
from recsys_tf.features.tf_example import write_examples


def in_memory(world, folder):
    parts = (world.examples, world.catalogue, world.preprocessor, world.schema)
    return make_dataset(*parts, batch_size=8, shuffle_seed=1)


def of_records(world, folder):
    write_examples(world.examples, world.catalogue, world.schema, folder, num_shards=2)
    return make_record_dataset(folder, world.preprocessor, world.schema, 8, shuffle_seed=1)


def of_sequences(world, folder, **options):
    ends = np.arange(5, 105, 5)
    items = np.arange(2, 102, dtype=np.int32)
    sequences = Sequences(items, np.arange(100, dtype=np.int64), ends - 5, ends)
    # Room for two where they are packed.
    return make_sequence_dataset(sequences, max_length=10, batch_size=2, seed=1, **options)


MAKERS = {
    "in_memory": in_memory,
    "of_records": of_records,
    "of_sequences": of_sequences,
    "masked": partial(of_sequences, mask_index=102),
    "packed": partial(of_sequences, is_packed=True),
    "masked_and_packed": partial(of_sequences, mask_index=102, is_packed=True),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=list(MAKERS))
def test_no_python_runs_between_batches(plain_world, tmp_path, make):
    dataset = make(plain_world, tmp_path)
    operations = operations_of(dataset)
    assert [each for each in operations if "PyFunc" in each or "Generator" in each] == []
    if make is of_records:
        assert {"ParallelInterleaveDatasetV4", "ParallelMapDatasetV2"} <= operations
    assert len(list(dataset)) == int(dataset.cardinality()) > 1


def test_python_would_be_seen():
    python = tf.data.Dataset.range(2).map(lambda x: tf.numpy_function(lambda y: y, [x], tf.int64))
    assert any("PyFunc" in each for each in operations_of(python))


def operations_of(dataset):
    graph = tf.compat.v1.GraphDef.FromString(dataset._as_serialized_graph().numpy())
    nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
    return {node.op for node in nodes}
