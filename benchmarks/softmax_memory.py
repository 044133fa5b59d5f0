"""What the full softmax over a table costs: memory at a million items, time at a few thousand.

    python benchmarks/softmax_memory.py
    python benchmarks/softmax_memory.py --items 1000000 --batch-size 512

Memory is the peak of a process that computes the loss and its gradients three times, less what it
held with TensorFlow alone and less the table; the table's gradient counts. Time is that of the loss
with its gradients, beside TensorFlow's cross-entropy of all scores at once, the two in turn.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from reporting import Row, add_results_option, report
from step_timing import seconds_in_turn

from recsys_tf.types import FloatArray

SEED = 42
MAX_GB = 1.5
# Positions, items and width of a batch of sequences of MovieLens 1M.
SMALL = [(10_000, 3_400, 64), (25_000, 3_400, 64), (25_000, 3_400, 128)]


def make_step(num_queries: int, num_items: int, width: int, is_ours: bool) -> Callable[[], Any]:
    """Makes a call that computes the loss and the gradients of queries and table.

    Args:
        num_queries: `M`.
        num_items: Items of the table.
        width: `D`.
        is_ours: `FullSoftmax`, or else TensorFlow's cross-entropy of all scores.

    Returns:
        The call; the table exists already.
    """
    import tensorflow as tf

    from recsys_tf.tasks import FullSoftmax

    tf.random.set_seed(SEED)
    table = tf.Variable(tf.random.normal([num_items + 2, width], stddev=0.1))
    queries = tf.random.normal([num_queries, width])
    positives = tf.random.uniform([num_queries], 2, num_items + 2, tf.int32)
    ours = FullSoftmax()

    def plain() -> Any:
        scores = tf.matmul(queries, table[2:], transpose_b=True)
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(positives - 2, scores))

    @tf.function(autograph=False)
    def step() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(queries)
            loss = ours(queries, positives, table) if is_ours else plain()
        return [loss, *tape.gradient(loss, [queries, table])]

    return step


def be_child(num_queries: int, num_items: int, width: int) -> dict[str, float]:
    """Measures this process.

    Returns:
        `gb`, the peak less what was held before and less the table, and `seconds`, the least of
        three calls.
    """
    make_step(1, 1, width, is_ours=True)()
    # Without the table: TensorFlow keeps freed memory, so that what the process holds once the
    # table is made would be too much.
    held = kilobytes("VmRSS") * 1024 + 4 * (num_items + 2) * width
    step = make_step(num_queries, num_items, width, is_ours=True)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return {"gb": (kilobytes("VmHWM") * 1024 - held) / 1e9, "seconds": min(seconds)}


def kilobytes(name: str) -> int:
    """Reads a line of this process's status, `VmRSS` or its highest so far, `VmHWM`."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def measure_memory(num_queries: int, num_items: int, width: int) -> dict[str, float]:
    """Runs `be_child` in a process of its own.

    Args:
        num_queries: `M`.
        num_items: Items of the table.
        width: `D`.

    Returns:
        What the child found.
    """
    sizes = [str(each) for each in (num_queries, num_items, width)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, "--child", *sizes],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def memory_rows(found: dict[str, float], num_queries: int, num_items: int) -> list[Row]:
    """Makes the rows of the memory."""
    where = f"{num_items:,} items, batch {num_queries:,}"
    return [
        Row(f"memory over the table's, {where}", found["gb"], "GB", rule="at_most", bound=MAX_GB),
        Row(f"loss and gradients, {where}", found["seconds"], "s"),
    ]


def time_rows(seconds: FloatArray, sizes: tuple[int, int, int]) -> list[Row]:
    """Makes the rows of the time.

    Args:
        seconds: float `[rounds, 2]`, ours and the peer's.
        sizes: Positions, items and width.

    Returns:
        Both medians and the median of the rounds' ratios.
    """
    where = "{:,} positions, {:,} items, width {}".format(*sizes)
    low, middle, high = np.percentile(seconds[:, 1] / seconds[:, 0], [25, 50, 75])
    ours, peer = 1e3 * np.median(seconds, axis=0)
    return [
        Row(f"FullSoftmax, {where}", float(ours), "ms"),
        Row(f"all scores at once, {where}", float(peer), "ms"),
        Row(
            f"times as fast, {where}",
            float(middle),
            "times",
            float(high - low) / 2,
            rule="at_least",
            bound=1.0,
        ),
    ]


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    add_results_option(parser)
    parser.add_argument("--child", type=int, nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measures and reports."""
    arguments = parse()
    if arguments.child:
        print(json.dumps(be_child(*arguments.child)))
        return
    sizes = arguments.batch_size, arguments.items, arguments.width
    rows = memory_rows(measure_memory(*sizes), *sizes[:2])
    for small in SMALL:
        steps = [make_step(*small, is_ours=is_ours) for is_ours in (True, False)]
        rows += time_rows(seconds_in_turn(steps, arguments.rounds), small)
    description = (
        f"random tables and queries, width {arguments.width} where none is said; times are medians "
        f"over {arguments.rounds} rounds in turn, with half the interquartile range"
    )
    sys.exit(not report(__file__, rows, description, [SEED], arguments.results))


if __name__ == "__main__":
    main()
