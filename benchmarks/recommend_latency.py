"""Times the `recommend` signature in process: one request at a time, on one core.

    python benchmarks/recommend_latency.py --data-dir FOLDER

The model has the sizes of the preset `ml-100k` and fresh weights, which cost the same time as
trained ones. It ranks all 1,682 films, and the heads judge the best 100. Two ways in are timed,
turn by turn: the signature of the loaded SavedModel, as Python code calls it, and the session
callable that the local model server calls.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from reporting import Row, add_results_option, report

ROOT = Path(__file__).resolve().parents[1]
MAX_MEDIAN_MS = 5.0
HISTORY_LENGTHS = (0, 20, 100)
NUM_RANKED = 100
WAYS = {"signature": "the loaded signature", "runner": "the local server's callable"}


def export(data_folder: str | None, folder: Path) -> Path:
    """Writes the SavedModel and, beside it, one request for each length of the history."""
    from recsys_tf import presets
    from recsys_tf.export import ServedRecommender, export_saved_model
    from recsys_tf.preparation import prepare
    from recsys_tf.training import build_recommender

    config = presets.movielens_time()
    config = config.model_copy(
        update={
            "data": config.data.model_copy(update={"folder": data_folder}),
            "export": config.export.model_copy(
                update={"num_candidates": NUM_RANKED, "max_k": NUM_RANKED}
            ),
        }
    )
    data = prepare(config)
    model = build_recommender(data)
    served = ServedRecommender(model, data.preprocessor, data.catalogue, config.export)
    export_saved_model(served, folder / "model")
    requests = {str(n): _request(data, served, n) for n in HISTORY_LENGTHS}
    (folder / "requests.json").write_text(json.dumps(requests), encoding="utf-8")
    return folder


def _request(data: Any, served: Any, history_length: int) -> dict[str, Any]:
    """Makes the raw values of one user of the training part, with the first films as history."""
    history = data.schema.history
    examples = data.train_examples.take(np.array([len(data.train_examples) - 1]))
    films = data.catalogue.columns[data.schema.item_id][:history_length].tolist()
    values: dict[str, Any] = {history.name: [films]}
    if history.values_name is not None:
        values[history.values_name] = [[1.0 + i % 5 for i in range(history_length)]]
    for name in served.raw_specs(has_items=False):
        if name not in values:
            values[name] = np.asarray(examples.columns[name]).tolist()
    return {**values, "k": [NUM_RANKED]}


def measure(folder: Path, num_calls: int) -> dict[str, dict[str, list[float]]]:
    """Times both ways in, alternating; milliseconds by way and length of the history.

    Runs in a process of its own that may use one core only.
    """
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    # The graph splits ids and cuts titles by operations of this package, where there are texts.
    with contextlib.suppress(ImportError):
        import tensorflow_text  # noqa: F401
    from serving.server.runner import ModelRunner

    loaded = tf.saved_model.load(str(folder / "model"))
    signature = loaded.signatures["recommend"]
    specs = signature.structured_input_signature[1]
    outputs = tuple(sorted(signature.structured_outputs))
    runner = ModelRunner(str(folder / "model"), num_threads=1)
    requests = json.loads((folder / "requests.json").read_text(encoding="utf-8"))
    milliseconds: dict[str, dict[str, list[float]]] = {way: {} for way in WAYS}
    for length, request in requests.items():
        tensors = {
            name: tf.constant(request[name], spec.dtype, shape=_shape(request[name]))
            for name, spec in specs.items()
        }
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        calls: dict[str, Callable[[], Any]] = {
            "signature": lambda tensors=tensors: signature(**tensors),
            "runner": lambda arrays=arrays: runner.run("recommend", arrays, outputs),
        }
        _check_equal(calls, outputs)
        taken = {way: [] for way in WAYS}
        for call in range(-50, num_calls):  # The first 50 warm up and are not counted.
            for way, run in calls.items():
                start = time.perf_counter()
                run()
                if call >= 0:
                    taken[way].append(1e3 * (time.perf_counter() - start))
        for way in WAYS:
            milliseconds[way][length] = taken[way]
    return milliseconds


def _shape(value: list[Any]) -> list[int]:
    # An empty list tells no rank to TensorFlow.
    return [len(value), len(value[0])] if isinstance(value[0], list) else [len(value)]


def _check_equal(calls: dict[str, Callable[[], Any]], outputs: tuple[str, ...]) -> None:
    """Both ways must give one answer, with every place filled."""
    answer = calls["signature"]()
    by_runner = dict(zip(outputs, calls["runner"](), strict=True))
    assert answer["item_ids"].shape == (1, NUM_RANKED)
    assert by_runner["item_ids"].tolist() == answer["item_ids"].numpy().tolist()
    assert all(each != b"" for each in by_runner["item_ids"][0])
    np.testing.assert_allclose(by_runner["scores"], answer["scores"], rtol=1e-5, atol=1e-6)


def run_child(folder: Path, num_calls: int) -> dict[str, dict[str, list[float]]]:
    """Measures in a process that is bound to one core."""
    environment = {
        **os.environ,
        "TF_USE_LEGACY_KERAS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, __file__, "--child", str(folder), "--calls", str(num_calls)]
    subprocess.run(command, check=True, env=environment, timeout=600)
    return json.loads((folder / "milliseconds.json").read_text(encoding="utf-8"))


def rows_of(milliseconds: dict[str, dict[str, list[float]]]) -> list[Row]:
    """Makes the rows: the median, held against the bound, and the 99th percentile."""
    rows = []
    for way, by_length in milliseconds.items():
        for length, taken in by_length.items():
            name = f"{WAYS[way]}, history of {length}"
            low, median, high, slow = np.percentile(taken, [25, 50, 75, 99])
            rows += [
                Row(
                    f"median, {name}",
                    float(median),
                    "ms",
                    float(high - low) / 2,
                    rule="at_most",
                    bound=MAX_MEDIAN_MS,
                ),
                Row(f"99th percentile, {name}", float(slow), "ms"),
            ]
    return rows


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="folder with the files of MovieLens 100K")
    parser.add_argument("--calls", type=int, default=500, help="timed calls of each (default 500)")
    add_results_option(parser)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        # Before TensorFlow makes its threads.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        found = measure(arguments.child, arguments.calls)
        (arguments.child / "milliseconds.json").write_text(json.dumps(found), encoding="utf-8")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = export(arguments.data_dir or default_data_folder(), Path(name))
        milliseconds = run_child(folder, arguments.calls)
    data = (
        f"MovieLens 100K, 1,682 films, the best {NUM_RANKED} judged by the heads and returned, "
        f"sizes of the preset ml-100k, {arguments.calls:,} calls of one row on one core; spread is "
        "half the interquartile range"
    )
    sys.exit(not report(__file__, rows_of(milliseconds), data, folder=arguments.results))


def default_data_folder() -> str | None:
    """Returns the folder beside the repository, where there is one and no other is named."""
    folder = ROOT.parent / "shared" / "data" / "ml-100k"
    return str(folder) if folder.is_dir() and "RECSYS_DATA_DIR" not in os.environ else None


if __name__ == "__main__":
    main()
