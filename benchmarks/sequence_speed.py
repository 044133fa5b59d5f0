"""Times SASRec beside RecTools and RecBole: sequences a second at length 50 and 200.

    python benchmarks/sequence_speed.py --peer-python /opt/envs/seqpeers/bin/python

Generated sequences by Zipf's law over 3,416 items, all of one length; `sequence_peers.py` has the
sizes, which are equal, and says what cannot be made equal. RecTools asks every position for the
next item, RecBole the last one alone, and ours is timed both ways, each beside its peer. In each
round every model has a process of its own, under its library's own Python, and these train an epoch
each in turn; the epochs after the first are timed. A round's ratio is the median of its turns'. All
processes get the same number of threads. The last rows tell where the time of our step goes.

Run it on a quiet machine: threads that wait for each other in every operation lose more than
others where they have to share the cores, and which library has more of them is not its speed.

Environment of the peers (Python 3.11):
    pip install torch==2.13.0 "rectools[torch]==0.19.0" recbole==1.2.1 "setuptools<80" "numpy<2"
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from epochs_in_turn import Child, Trained, ratio_of_speeds, rounds_in_turn
from reporting import Row, add_results_option, report
from sequence_peers import (
    BATCH_SIZE,
    NUM_ITEMS,
    TRAINERS,
    WIDTH,
    generate,
    our_batches,
    our_model,
    our_training,
)

ROOT = Path(__file__).resolve().parents[1]
PAIRS = {"rectools": "recsys_tf", "recbole": "recsys_tf_at_last"}
"""By peer, our model that asks the same questions."""
SHOWN = {
    "recsys_tf": "recsys_tf, all positions asked",
    "rectools": "RecTools, all positions asked",
    "recsys_tf_at_last": "recsys_tf, the last position asked",
    "recbole": "RecBole, the last position asked",
}
PACKAGES = ("tensorflow", "keras", "torch", "rectools", "recbole", "pytorch-lightning")
LENGTHS = (50, 200)
MIN_RATIO = 1.3
SEED = 42

Round = dict[str, Trained]
"""By name; each told its `parameters`."""


def command_of(name: str, arguments: argparse.Namespace, events: Path) -> Child:
    """Makes the process that trains one model over the sequences of a file."""
    is_ours = name in PAIRS.values()
    threads = str(arguments.threads)
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_USE_LEGACY_KERAS": "1",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONPATH": str(ROOT) if is_ours else "",
        "OMP_NUM_THREADS": threads,
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": threads,
    }
    python = sys.executable if is_ours else arguments.peer_python
    command = [python, "-W", "ignore", str(Path(__file__).resolve()), "--child", name]
    command += ["--events", str(events), "--epochs", str(arguments.epochs)]
    return Child(command, environment)


def be_child(arguments: argparse.Namespace) -> dict[str, Any]:
    """Does what `command_of` asks for; returns what the process tells at its end."""
    events = np.load(arguments.events)
    if arguments.child == "profile":
        return profile(events, num_rounds=10)
    # RecBole writes logs where it runs.
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        # The first epoch is not timed.
        return {"parameters": TRAINERS[arguments.child](events, arguments.epochs + 1)}


def profile(events: np.ndarray, num_rounds: int) -> dict[str, float]:
    """Milliseconds of the parts of our step, all positions asked, and of a batch's input."""
    from recsys_tf.step_profile import profile_step
    from recsys_tf.training import compile_model

    model, batches = our_model(events), our_batches(events)
    compile_model(model, our_training(num_epochs=1), int(batches.cardinality()))
    return profile_step(model, batches, num_rounds=num_rounds).milliseconds


def run_profile(arguments: argparse.Namespace, events: Path) -> dict[str, float]:
    """Runs `profile` in a process of its own, with the threads of the others."""
    child = command_of("recsys_tf", arguments, events)
    command = ["profile" if word == "recsys_tf" else word for word in child.command]
    environment = {**os.environ, **child.environment}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"The profile failed with exit code {done.returncode}; its last words are above.")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(length: int, arguments: argparse.Namespace, events: Path) -> list[Round]:
    """Trains all models over sequences of one length in each round."""
    names = [name for peer in arguments.peers for name in (PAIRS[peer], peer)]
    children = {name: command_of(name, arguments, events) for name in names}
    rounds = []
    for turn, found in enumerate(rounds_in_turn(children, arguments.rounds, arguments.epochs)):
        rounds.append(found)
        shown = ", ".join(f"{name} {np.median(each.seconds):.2f} s" for name, each in found.items())
        print(f"length {length}, round {turn}, an epoch: {shown}", flush=True)
    return rounds


def rows_of(
    length: int, rounds: Sequence[Round], num_sequences: int, parts: Mapping[str, float]
) -> list[Row]:
    """Makes the rows of one length: speeds, parameters, ratios by round, and our step's parts.

    Args:
        length: Events that are read.
        rounds: What `measure` returned.
        num_sequences: Sequences of an epoch.
        parts: What `profile` returned.

    Returns:
        The rows; the ratio to each peer is held to the bound, so that to the faster one is.
    """

    def row(what: str, values: Sequence[float], unit: str, **claim: Any) -> Row:
        spread = float(max(values) - min(values)) / 2
        return Row(f"length {length}, {what}", float(np.median(values)), unit, spread, **claim)

    rows = []
    for peer, ours in PAIRS.items():
        if peer not in rounds[0]:
            continue
        for name in (ours, peer):
            speeds = [num_sequences / float(np.median(each[name].seconds)) for each in rounds]
            rows.append(row(SHOWN[name], speeds, "sequences/s"))
            parameters = [each[name].told["parameters"] for each in rounds]
            rows.append(row(f"parameters, {SHOWN[name]}", parameters, ""))
        ratios = [ratio_of_speeds(each[ours], each[peer]) for each in rounds]
        claim = {"rule": "at_least", "bound": MIN_RATIO}
        rows.append(row(f"recsys_tf / {SHOWN[peer]}", ratios, "x", **claim))
    return rows + [
        Row(f"length {length}, our step: {name}", ms, "ms") for name, ms in parts.items()
    ]


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
    parser.add_argument("--peer-python", help="interpreter that has RecTools and RecBole")
    parser.add_argument("--peers", nargs="+", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--lengths", nargs="+", type=int, default=LENGTHS)
    parser.add_argument("--batches", type=int, default=16, help="steps an epoch (default 16)")
    parser.add_argument("--threads", type=int, default=2, help="threads of a process (default 2)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5, help="timed epochs (default 5)")
    add_results_option(parser)
    parser.add_argument("--child", choices=[*TRAINERS, "profile"], help=argparse.SUPPRESS)
    parser.add_argument("--events", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measures and reports."""
    arguments = parse()
    if arguments.child is not None:
        print(json.dumps(be_child(arguments)))
        return
    if arguments.peer_python is None:
        sys.exit("Give `--peer-python`: there is no peer without.")
    rows: list[Row] = []
    num_sequences = arguments.batches * BATCH_SIZE
    with tempfile.TemporaryDirectory() as folder:
        for length in arguments.lengths:
            events = Path(folder) / f"{length}.npy"
            np.save(events, generate(num_sequences, length, seed=SEED))
            rounds = measure(length, arguments, events)
            rows += rows_of(length, rounds, num_sequences, run_profile(arguments, events))
    description = (
        f"{num_sequences:,} generated sequences, Zipf's law over {NUM_ITEMS:,} items, width "
        f"{WIDTH}, batch {BATCH_SIZE}, {arguments.threads} threads each, median and half the "
        f"range over {arguments.rounds} rounds of {arguments.epochs} epochs in turn; "
        f"{versions_of(sys.executable)}; {versions_of(arguments.peer_python)}"
    )
    sys.exit(not report(__file__, rows, description, [SEED], arguments.results))


if __name__ == "__main__":
    main()
