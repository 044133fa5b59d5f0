"""Builds the SavedModels that the serving tests ask: run it to make one for a real server.

``python tests/serving/models.py FOLDER`` writes FOLDER/1.
"""

from __future__ import annotations

import sys

import tensorflow as tf

ITEMS = [f"item-{number}" for number in range(6)]


class Tiny(tf.Module):
    """Arithmetic whose answers can be worked out by hand."""

    def __init__(self, offset: float = 0.0) -> None:
        super().__init__()
        self.offset = tf.Variable(offset)
        keys = tf.constant(["anna", "bert"])
        init = tf.lookup.KeyValueTensorInitializer(keys, tf.constant([1, 2], tf.int64))
        self.table = tf.lookup.StaticHashTable(init, 0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def double(self, x):
        return {"y": 2.0 * x + self.offset}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.float32, "a"),
            tf.TensorSpec([None], tf.int64, "b"),
            tf.TensorSpec([None], tf.string, "s"),
        ]
    )
    def three(self, a, b, s):
        return {"sum": a + tf.cast(b, tf.float32), "raw_bytes": s, "text": s, "int": b}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, "user_id"),
            tf.TensorSpec([None, None], tf.string, "history"),
            tf.TensorSpec([None], tf.float32, "age"),
            tf.TensorSpec([None], tf.int64, "hour"),
            tf.TensorSpec([None], tf.string, "device"),
            tf.TensorSpec([None], tf.int32, "k"),
        ]
    )
    def recommend(self, user_id, history, age, hour, device, k):
        """Items 0.. in order, those of the history left out; scores tell what was received."""
        batch = tf.shape(user_id)[0]
        items = tf.constant(ITEMS)
        seen = tf.reduce_any(items[None, :, None] == history[:, None, :], axis=2)
        order = tf.cast(tf.range(len(ITEMS), 0, -1), tf.float32)
        known = tf.cast(self.table.lookup(user_id), tf.float32)
        score = tf.where(seen, -1.0, order + 100.0 * known[:, None])
        top = tf.math.top_k(score, k=tf.minimum(tf.reduce_max(tf.concat([k, [0]], 0)), len(ITEMS)))
        keep = (top.values >= 0) & (tf.range(tf.shape(top.values)[1])[None, :] < k[:, None])
        shape = tf.shape(top.values)

        def spread(value):
            return tf.broadcast_to(tf.cast(value, tf.float32)[:, None], shape)

        return {
            "item_ids": tf.where(keep, tf.gather(items, top.indices), ""),
            "scores": tf.ensure_shape(top.values, [None, None]),
            "score_age": spread(age),
            "score_hour": spread(hour),
            "score_device": spread(tf.strings.length(device)) + 0.0 * tf.cast(batch, tf.float32),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, "steps")])
    def slow(self, steps):
        """Multiplies matrices ``steps`` times: a signature that takes as long as is asked."""
        eye = tf.eye(400)
        end = tf.reduce_max(steps)
        _, value = tf.while_loop(
            lambda i, _: i < end,
            lambda i, m: (i + 1, tf.linalg.matmul(m, eye) + 0.0),
            (tf.constant(0, tf.int64), eye),
        )
        return {"y": steps + tf.cast(tf.reduce_sum(value) * 0.0, tf.int64)}


def save_tiny(path: str, offset: float = 0.0) -> None:
    """Writes the tiny model into the version folder ``path``."""
    tiny = Tiny(offset)
    signatures = {
        "serving_default": tiny.double,
        "three": tiny.three,
        "recommend": tiny.recommend,
        "slow": tiny.slow,
    }
    tf.saved_model.save(tiny, path, signatures=signatures)


def save_classic(path: str) -> None:
    """Writes a TF1-style model with the classify and regress methods over tf.Examples."""
    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default(), v1.Session(graph=graph) as session:
        serialized = v1.placeholder(tf.string, [None], name="examples")
        features = {"x": tf.io.FixedLenFeature([], tf.float32, 0.0)}
        features["bias"] = tf.io.FixedLenFeature([], tf.float32, 0.0)
        parsed = tf.io.parse_example(serialized, features)
        value = parsed["x"] + parsed["bias"]
        labels = tf.tile(tf.constant([["low", "high"]]), [tf.shape(value)[0], 1])
        scores = tf.stack([1.0 - value, value], axis=1)
        build = v1.saved_model.classification_signature_def
        classify = build(serialized, labels, scores)
        regress = v1.saved_model.regression_signature_def(serialized, value)
        builder = v1.saved_model.Builder(path)
        signatures = {"serving_default": classify, "regress": regress}
        builder.add_meta_graph_and_variables(session, ["serve"], signatures)
        builder.save()


if __name__ == "__main__":
    save_tiny(sys.argv[1] + "/1")
