"""Times MMoE, PLE and DCNv2 beside DeepCTR and torch-rechub; peak memory too.

    python benchmarks/block_speed.py --data-dir FOLDER --deepctr-python /opt/envs/deepctr/bin/python
        --rechub-python /opt/envs/rechub/bin/python

Census-Income, every column a category (numbers in bins), two tasks for MMoE and PLE, one for DCNv2.
All libraries get the same indices in batches that lie in memory, the same widths, depths, batch
size and optimiser; `block_peers.py` says what cannot be made equal. In each round every library
has a process of its own under its own Python, and these train an epoch each in turn; the epochs
after the first are timed. A round's ratio is the median of its turns'. Memory is the largest
resident set of a process, its libraries included.

Environments of the peers (any Python that has the wheels):
    pip install deepctr==0.9.4 tensorflow==2.16.2 tf-keras==2.16.0
    pip install torch-rechub==0.9.0 torch==2.13.0
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from block_peers import MODELS, TASKS, TRAINERS, CodedRows
from epochs_in_turn import Child, Trained, ratio_of_speeds, rounds_in_turn
from reporting import Row, add_results_option, report

ROOT = Path(__file__).resolve().parents[1]
OURS, PEERS = "recsys_tf", {"deepctr": "DeepCTR", "torch_rechub": "torch-rechub"}
PACKAGES = ("tensorflow", "keras", "tf-keras", "deepctr", "torch", "torch-rechub")
MIN_RATIO = 1.2
NUM_BINS = 32
SEED = 42

Round = dict[str, Trained]
"""By library; each told its `parameters` and its `peak_mib`."""


def coded_rows(data_folder: str | None, num_rows: int) -> CodedRows:
    """Reads Census-Income and turns every column into indices; numbers into those of their bins."""
    from recsys_tf import RunConfig, TrainingConfig
    from recsys_tf.datasets import LabelledTable, load_census_income, split_table
    from recsys_tf.preparation import PreparedTable

    table = load_census_income(data_folder, TASKS)
    parts = split_table(len(table), 0.15, 0.15, SEED)
    features = tuple(
        each.model_copy(update={"num_bins": NUM_BINS}) if each.kind == "numeric" else each
        for each in table.schema.features
    )
    schema = table.schema.model_copy(update={"features": features})
    config = RunConfig(training=TrainingConfig(batch_size=8192))
    data = PreparedTable(config, LabelledTable(schema, table.rows), *parts)
    batches = list(data.dataset("train").take(-(-num_rows // 8192)).as_numpy_iterator())
    names = [each.name for each in features]
    codes = [np.stack([_indices(batch[name]) for name in names], axis=1) for batch, _, _ in batches]
    labels = [np.stack([each[name] for name in TASKS], axis=1) for _, each, _ in batches]
    num_indices = data.state.num_indices_by_name
    return CodedRows(
        np.concatenate(codes)[:num_rows].astype(np.int32),
        np.concatenate(labels)[:num_rows].astype(np.float32),
        {name: int(num_indices[name]) for name in names},
    )


def _indices(values: np.ndarray) -> np.ndarray:
    # A number comes scaled, with whether there is one, and with the index of its bin.
    return values if values.ndim == 1 else values[:, 2]


def command_of(python: str, library: str, model: str, arguments: argparse.Namespace) -> Child:
    """Makes the process that measures one model of one library."""
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONPATH": str(ROOT) if library == OURS else "",
        "TF_USE_LEGACY_KERAS": "1",
    }
    command = [python, "-W", "ignore", __file__, "--child", library, "--models", model]
    command += ["--batch-size", str(arguments.batch_size), "--epochs", str(arguments.epochs)]
    command += ["--rows-folder", str(arguments.rows_folder)]
    return Child(command, environment)


def be_child(arguments: argparse.Namespace) -> dict[str, Any]:
    """Does what `command_of` asks for; returns what the process tells at its end."""
    rows, (model,) = CodedRows.load(arguments.rows_folder), arguments.models
    num_epochs = arguments.epochs + 1  # The first is not timed.
    num_parameters = TRAINERS[arguments.child](model, rows, arguments.batch_size, num_epochs)
    return {"parameters": num_parameters, "peak_mib": peak_mib()}


def peak_mib() -> float:
    """Returns the largest resident set of this process so far, in MiB.

    Not `ru_maxrss`, which a process takes over from the one that started it.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = (each for each in status.splitlines() if each.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def measure(pythons: Mapping[str, str], model: str, arguments: argparse.Namespace) -> list[Round]:
    """Trains one model of each library in each round."""
    children = {n: command_of(python, n, model, arguments) for n, python in pythons.items()}
    rounds = []
    for turn, found in enumerate(rounds_in_turn(children, arguments.rounds, arguments.epochs)):
        rounds.append(found)
        shown = ", ".join(
            f"{name} {np.median(each.seconds):.2f} s and {each.told['peak_mib']:,.0f} MiB"
            for name, each in found.items()
        )
        print(f"{model}, round {turn}, an epoch: {shown}", flush=True)
    return rounds


def rows_of(model: str, rounds: Sequence[Round], num_rows: int) -> list[Row]:
    """Makes the rows of one model: speeds, ratios by round, memory and parameters.

    Args:
        model: A name of `MODELS`.
        rounds: What `measure` returned.
        num_rows: Rows of an epoch.

    Returns:
        The rows; the ratio to the peer with the highest median speed is held to a bound.
    """

    def row(what: str, values: Sequence[float], unit: str, **claim: Any) -> Row:
        spread = float(max(values) - min(values)) / 2
        return Row(f"{model}, {what}", float(np.median(values)), unit, spread, **claim)

    def of(library: str, name: str) -> list[float]:
        return [each[library].told[name] for each in rounds]

    shown = {OURS: OURS, **{name: PEERS[name] for name in PEERS if name in rounds[0]}}
    speeds = {
        name: [num_rows / float(np.median(each[name].seconds)) for each in rounds] for name in shown
    }
    rows = [row(f"training, {shown[n]}", speeds[n], "examples/s") for n in shown]
    rows += [row(f"peak memory, {shown[n]}", of(n, "peak_mib"), "MiB") for n in shown]
    rows += [row(f"parameters, {shown[n]}", of(n, "parameters"), "") for n in shown]
    peers = [name for name in shown if name != OURS]
    fastest = max(peers, key=lambda name: np.median(speeds[name]))
    for name in peers:
        ratios = [ratio_of_speeds(each[OURS], each[name]) for each in rounds]
        is_fastest = name == fastest
        claim = {"rule": "at_least", "bound": MIN_RATIO} if is_fastest else {}
        what = f"recsys_tf / {shown[name]}{' (the fastest peer)' if is_fastest else ''}"
        rows.append(row(what, ratios, "x", **claim))
    return rows


def versions_of(python: str) -> str:
    """Tells the versions that a library runs under."""
    code = (
        "import importlib.metadata as m, platform; print('Python', platform.python_version() + ',',"
        f"', '.join(f'{{n}} {{m.version(n)}}' for n in {PACKAGES} if any(m.distributions(name=n))))"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", help="folder with the files of Census-Income")
    parser.add_argument("--deepctr-python", help="interpreter that has DeepCTR")
    parser.add_argument("--rechub-python", help="interpreter that has torch-rechub")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--rows", type=int, default=65_536, help="training rows (default 65,536)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8, help="timed epochs (default 8)")
    add_results_option(parser)
    parser.add_argument("--child", choices=TRAINERS, help=argparse.SUPPRESS)
    parser.add_argument("--rows-folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measures and reports."""
    arguments = parse()
    if arguments.child is not None:
        print(json.dumps(be_child(arguments)))
        return
    given = {"deepctr": arguments.deepctr_python, "torch_rechub": arguments.rechub_python}
    pythons = {OURS: sys.executable, **{n: python for n, python in given.items() if python}}
    if len(pythons) == 1:
        sys.exit("Give `--deepctr-python`, `--rechub-python` or both: there is no peer without.")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        arguments.rows_folder = Path(folder)
        coded = coded_rows(arguments.data_dir, arguments.rows)
        coded.save(arguments.rows_folder)
        for model in arguments.models:
            num_rows = len(coded.codes) // arguments.batch_size * arguments.batch_size
            rows += rows_of(model, measure(pythons, model, arguments), num_rows)
    environments = "; ".join(f"{name}: {versions_of(each)}" for name, each in pythons.items())
    description = (
        f"Census-Income, {len(coded.codes):,} rows of {len(coded.num_indices)} categories, batch "
        f"{arguments.batch_size:,}, median and half the range over {arguments.rounds} rounds of "
        f"{arguments.epochs} epochs in turn; {environments}"
    )
    sys.exit(not report(__file__, rows, description, [SEED], arguments.results))


if __name__ == "__main__":
    main()
