"""Trains models of several libraries in processes of their own, an epoch of each in turn.

What else the machine does changes from second to second: it meets the epochs of one turn alike, so
that their ratio says more than the ratio of two times measured one after the other.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from epoch_clock import EPOCH

if TYPE_CHECKING:
    # Peers' Pythons import this file too, and have no recsys_tf.
    from recsys_tf.types import FloatArray


@dataclass(frozen=True)
class Child:
    """A command that trains `num_epochs + 1` epochs with an `EpochClock`, and its environment.

    Its last line on the standard output is JSON.
    """

    command: Sequence[str]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Trained:
    """Seconds of the epochs after the first, and what the process told at its end."""

    seconds: FloatArray
    told: Any


def epochs_in_turn(children: Mapping[str, Child], num_epochs: int) -> dict[str, Trained]:
    """Trains all, and each waits while another has its epoch.

    Args:
        children: By name, in the order of the first turn; the order turns from turn to turn.
        num_epochs: Timed epochs of each; the first epoch, which traces, is not timed.

    Returns:
        By name, the seconds, float `[num_epochs]`, and the last line. Ends the program where a
        process fails.
    """
    running: dict[str, _Running] = {}
    try:
        for name, child in children.items():
            running[name] = _Running(name, child)
            running[name].epoch()
        seconds: dict[str, list[float]] = {name: [] for name in running}
        names = list(running)
        for turn in range(num_epochs):
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                running[name].go()
                seconds[name].append(running[name].epoch())
        return {
            name: Trained(np.array(seconds[name]), each.finish()) for name, each in running.items()
        }
    finally:
        for each in running.values():
            each.kill()


def rounds_in_turn(
    children: Mapping[str, Child], num_rounds: int, num_epochs: int
) -> Iterator[dict[str, Trained]]:
    """Yields `epochs_in_turn` of fresh processes, round by round; another begins each round."""
    names = list(children)
    for turn in range(num_rounds):
        first = turn % len(names)
        in_order = names[first:] + names[:first]
        yield epochs_in_turn({name: children[name] for name in in_order}, num_epochs)


def ratio_of_speeds(ours: Trained, peer: Trained) -> float:
    """Returns the median over the turns of the peer's seconds divided by ours."""
    return float(np.median(peer.seconds / ours.seconds))


class _Running:
    """A child that runs until it is killed or finished."""

    def __init__(self, name: str, child: Child) -> None:
        self._name = name
        self._process = subprocess.Popen(
            child.command,
            env={**os.environ, **child.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def go(self) -> None:
        """Lets it go on."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def epoch(self) -> float:
        """Waits for the end of its epoch; returns the seconds."""
        for line in self._process.stdout:
            if line.startswith(EPOCH):
                return float(line.removeprefix(EPOCH))
        return self._fail()

    def finish(self) -> Any:
        """Lets it end; returns what it told last."""
        self.go()
        lines = self._process.stdout.read().splitlines()
        return self._fail() if self._process.wait() else json.loads(lines[-1])

    def kill(self) -> None:
        """Ends it where it still runs."""
        self._process.kill()
        self._process.wait()

    def _fail(self) -> NoReturn:
        code = self._process.wait()
        sys.exit(f"`{self._name}` failed with exit code {code}; its last words stand above.")
