"""`recsys-tf demo`: from raw ratings to a gRPC answer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys_tf.cli.answers import answer_table, knowledge_of
from recsys_tf.cli.console import OUT, metrics_table, print_table, say
from recsys_tf.cli.demo_asked import Asked, asked_users
from recsys_tf.cli.demo_memory import DemoResult, demo_key, forget, recall, remember
from recsys_tf.cli.evaluate import baseline_metrics
from recsys_tf.cli.failures import ExitCode, Failure, check_writable, failing_with, reported
from recsys_tf.cli.installed import require
from recsys_tf.cli.loading import check_rejections, load_interactions, load_prepared
from recsys_tf.cli.local_server import local_server
from recsys_tf.cli.options import Changes, DataFolder, run_config
from recsys_tf.cli.pipeline import run_told, slice_table
from recsys_tf.config import RunConfig

if TYPE_CHECKING:
    from recsys_tf.datasets import Interactions
    from recsys_tf.schema import Schema

BASELINES = ("popularity", "bias", "ease")
PLACES = 5


@reported
def demo(
    dataset: Annotated[
        str, typer.Option("--dataset", help="ml-100k, ml-1m, ml-latest-small or synthetic.")
    ] = "ml-100k",
    data_dir: DataFolder = None,
    root: Annotated[
        Path, typer.Option("--root", help="Where everything is kept between two runs.")
    ] = Path(".demo"),
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget earlier runs, start over.")
    ] = False,
    changes: Changes = None,
) -> None:
    """Go the whole way once, from raw data to gRPC answers.

    Data, TFX pipeline, published model, local server. Prints what three users are recommended, with
    the scores of each task, and how the model compares with baselines on the held-out rows. A
    second run reuses the first one's model and takes seconds.

    Examples:
      recsys-tf demo
      recsys-tf demo --dataset synthetic
      recsys-tf demo --dataset ml-100k --data-dir ~/data/ml-100k --fresh
    """
    start_s = time.monotonic()
    for extra in ("pipeline", "serving", "text"):
        require(extra, "demo")
    run = run_config(dataset=dataset, data_dir=data_dir, changes=changes)
    run.check_pipeline()
    folder = root / run.data.dataset
    check_writable(folder, "--root")
    if fresh:
        _forget(folder)
    interactions = load_interactions(run)
    check_rejections(interactions, run)
    OUT.print(interactions.summary(), markup=False)
    result = _model(run, interactions, folder)
    if not result.is_published:
        raise Failure(f"the model was not published: {'; '.join(result.reasons)}")
    _ask_three(run, interactions, Path(result.path))
    _print_metrics(result, run.features_and_tasks or interactions.schema)
    say("everything", time.monotonic() - start_s)
    _print_next(run, Path(result.path), asked_users(interactions)[0].user)


def _forget(folder: Path) -> None:
    from pipeline.root_lock import PipelineError

    with failing_with(ExitCode.WORK_FAILED, PipelineError):
        forget(folder)


def _model(run: RunConfig, interactions: Interactions, folder: Path) -> DemoResult:
    """Returns the remembered model where nothing has changed, else runs the pipeline."""
    key = demo_key(run, interactions)
    remembered = recall(folder, key)
    if remembered is not None:
        say(f"pipeline: nothing has changed, version {remembered.version} serves", note="reused")
        return remembered
    data = load_prepared(run, interactions)
    result = run_told(run, folder, data)
    baselines = baseline_metrics(data, "test", BASELINES) if result.is_published else {}
    told = DemoResult(
        is_published=result.is_published,
        reasons=list(result.reasons),
        version=result.version,
        path=str(result.path),
        metrics={name: dict(values) for name, values in result.metrics.items()},
        baselines={name: dict(values) for name, values in baselines.items()},
    )
    if result.is_published:
        remember(folder, key, told)
    return told


def _ask_three(run: RunConfig, interactions: Interactions, version: Path) -> None:
    from serving import RecommenderClient, ServingError

    name = run.pipeline.name
    with (
        failing_with(ExitCode.WORK_FAILED, ServingError),
        local_server(version, name) as port,
    ):
        target = f"127.0.0.1:{port}"
        with RecommenderClient(target, name, timeout_s=30.0) as client:
            for asked in asked_users(interactions):
                known = knowledge_of(interactions, asked.user, run.features_and_tasks)
                start_s = time.monotonic()
                inputs = known.inputs(client, has_history_values=True)
                offer = client.recommend([asked.user], [asked.history], inputs, PLACES)[0]
                say(f"asking {target} for user {asked.user!r}", time.monotonic() - start_s)
                OUT.print()
                print_table(answer_table(offer, known.titles), _headline(asked, known.titles))
    OUT.print()


def _print_next(run: RunConfig, version: Path, user: str) -> None:
    folder = f" --data-dir {run.data.folder}" if run.data.folder else ""
    name = f"--model-name {run.pipeline.name}"
    OUT.print(
        f"\nThe model is in {version}. Ask it yourself:\n"
        f"  recsys-tf serve --model-dir {version.parent} {name}\n"
        f"  recsys-tf recommend --target 127.0.0.1:8500 {name} --dataset {run.data.dataset}"
        f"{folder} --user {user}",
        markup=False,
    )


def _headline(asked: Asked, titles: Any) -> str:
    last = "; ".join(titles[item] for item in asked.history[-3:])
    return f"{asked.who}: {len(asked.history)} items met, the last {last}"


def _print_metrics(result: DemoResult, schema: Schema) -> None:
    """Prints what model and baselines both were measured by, then the model by slice."""
    columns = {"model": result.metrics.get("overall", {}), **result.baselines}
    shared = [
        name
        for name in columns["model"]
        if any(name in of_baseline for of_baseline in result.baselines.values())
        # The Evaluator averages it over rows, a ranking over users: not to be compared.
        and "/ndcg_at_" not in name
    ]
    own = [name for name in columns["model"] if name.endswith("/auc")]
    print_table(metrics_table(columns, [*shared, *own]), "On the held-out rows:")
    OUT.print("hit@K: share of the rows whose item is among the first K of the whole catalogue")
    OUT.print("Baselines learn from the validation rows too, which the model is only chosen by.\n")
    print_table(slice_table(result.metrics))
    OUT.print()
