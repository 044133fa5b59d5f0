"""How many requests a second, and how late: closed loop (N in flight) or open loop (N a second).

    python -m serving.load_test 127.0.0.1:8500 --users 196,186 --concurrency 1 8
    python -m serving.load_test 127.0.0.1:8500 --rate 500 --duration_s 10
    python -m serving.load_test --compare /path/to/model_base_path

An open loop does not wait for answers before it asks again, as real users do not, so that its
latencies contain the waiting that a closed loop hides. ``--compare`` serves one model twice in
the same run, by the local server and by a plain gRPC server that calls
``tf.saved_model.load(...).signatures[...]``, and prints both.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent import futures
from dataclasses import dataclass

from serving.client import RecommenderClient
from serving.errors import ServingError


@dataclass(frozen=True)
class Report:
    """What one load gave.

    Attributes:
        name: of the load.
        num_ok: answered requests.
        num_failed: refused or unanswered ones.
        seconds: of the whole load.
        p50_ms: half of the answers came within this time.
        p99_ms: 99 of 100 did.
    """

    name: str
    num_ok: int
    num_failed: int
    seconds: float
    p50_ms: float
    p99_ms: float

    def __str__(self) -> str:
        rate = self.num_ok / self.seconds
        return (
            f"{self.name:<28} {rate:8.0f} requests/s   p50 {self.p50_ms:7.2f} ms   "
            f"p99 {self.p99_ms:7.2f} ms   failed {self.num_failed}"
        )


def _report(name: str, latencies: list[float], num_failed: int, seconds: float) -> Report:
    ordered = sorted(latencies) or [float("nan")]
    p50, p99 = (1e3 * ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99))
    return Report(name, len(latencies), num_failed, seconds, p50, p99)


def closed_loop(
    ask: Callable[[], object], *, concurrency: int, duration_s: float, name: str = ""
) -> Report:
    """Keeps so many requests in flight for so long."""
    latencies: list[float] = []
    failures: list[ServingError] = []
    end = time.monotonic() + duration_s

    def run() -> None:
        while (start := time.monotonic()) < end:
            try:
                ask()
                latencies.append(time.monotonic() - start)
            except ServingError as error:
                failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(concurrency)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    name = name or f"closed loop, {concurrency} in flight"
    return _report(name, latencies, len(failures), time.monotonic() - begin)


def open_loop(
    ask: Callable[[], object], *, rate: float, duration_s: float, seed: int = 0
) -> Report:
    """Asks at random moments, so many a second, whether or not answers have come."""
    latencies: list[float] = []
    failures: list[ServingError] = []
    chance = random.Random(seed)

    def run(due: float) -> None:
        try:
            ask()
            latencies.append(time.monotonic() - due)  # from when it should have been sent
        except ServingError as error:
            failures.append(error)

    begin = due = time.monotonic()
    with futures.ThreadPoolExecutor(64) as pool:
        while due < begin + duration_s:
            due += chance.expovariate(rate)  # independent users: Poisson arrivals
            time.sleep(max(0.0, due - time.monotonic()))
            pool.submit(run, due)
    name = f"open loop, {rate:g} a second"
    return _report(name, latencies, len(failures), time.monotonic() - begin)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; the exit code is 1 where a request failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", nargs="?", help="host:port of a running server")
    parser.add_argument("--compare", metavar="BASE_PATH", help="serve this by both stacks instead")
    parser.add_argument("--model_name", default="recommender")
    parser.add_argument("--users", default="1", help="ids to ask for in each request: 1,2,3")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rate", type=float, help="open loop: requests a second")
    parser.add_argument("--duration_s", type=float, default=5.0)
    options = parser.parse_args(arguments)
    if (options.target is None) == (options.compare is None):
        parser.error("give either a target or --compare BASE_PATH")
    targets = {"": options.target} if options.target else {}
    servers = [] if options.target else _start_both(options.compare, options.model_name, targets)
    try:
        reports = [
            report for name, target in targets.items() for report in _load(name, target, options)
        ]
    finally:
        for server in servers:
            server.terminate()
            server.wait()
    return 1 if any(report.num_failed for report in reports) else 0


def _load(name: str, target: str, options: argparse.Namespace) -> list[Report]:
    users = options.users.split(",")
    reports = []
    with RecommenderClient(target, options.model_name) as client:

        def ask() -> object:
            return client.recommend(users, k=options.k)

        ask()
        if options.rate:
            reports.append(open_loop(ask, rate=options.rate, duration_s=options.duration_s))
        for concurrency in [] if options.rate else options.concurrency:
            title = f"{name} {concurrency} in flight".strip()
            reports.append(
                closed_loop(ask, concurrency=concurrency, duration_s=options.duration_s, name=title)
            )
    for report in reports:
        sys.stdout.write(f"{report}\n")
    return reports


def _start_both(
    base_path: str, model_name: str, targets: dict[str, str]
) -> list[subprocess.Popen[str]]:
    servers = []
    common = ["--port=0", f"--model_name={model_name}", f"--model_base_path={base_path}"]
    for name, module in (("ours,", "serving.server"), ("naive,", "serving.naive_server")):
        server = subprocess.Popen(
            [sys.executable, "-m", module, *common], stderr=subprocess.PIPE, text=True
        )
        servers.append(server)
        targets[name] = _address(server, model_name)
    return servers


def _address(server: subprocess.Popen[str], model_name: str) -> str:
    lines = []
    for line in server.stderr or ():
        lines.append(line)
        if "listening: gRPC " in line:
            address = line.split("listening: gRPC ")[1].split(",")[0].strip()
            _wait(address, model_name)
            # Somebody must read on, or the server stops when the pipe is full.
            threading.Thread(target=lambda: list(server.stderr or ()), daemon=True).start()
            return address
    raise SystemExit("the server did not start:\n" + "".join(lines))


def _wait(address: str, model_name: str, timeout_s: float = 120.0) -> None:
    end = time.monotonic() + timeout_s
    with RecommenderClient(address, model_name) as client:
        while time.monotonic() < end:
            try:
                client.metadata()
                return
            except ServingError:
                time.sleep(0.1)
    raise SystemExit(f"{address} served no model within {timeout_s:g} s")


if __name__ == "__main__":
    sys.exit(main())
