"""`recsys-tf recommend`: asks a server, or a model on disk, for one user's best items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys_tf.cli.answers import Knowledge, answer_table, load_knowledge
from recsys_tf.cli.console import print_table, to_json
from recsys_tf.cli.failures import ExitCode, Failure, reported
from recsys_tf.cli.local_server import local_server
from recsys_tf.cli.options import AsJson, ConfigFile, DataFolder, DatasetName, run_config
from recsys_tf.cli.serve import ModelName

if TYPE_CHECKING:
    from serving import RecommenderClient


@reported
def recommend(
    user: Annotated[str, typer.Option("--user", help="Id of the user; may be a new one.")],
    target: Annotated[
        str | None, typer.Option("--target", help="HOST:PORT of a server's gRPC port.")
    ] = None,
    model_dir: Annotated[
        Path | None,
        typer.Option("--model-dir", help="Folder of version folders, or one of these."),
    ] = None,
    history: Annotated[
        str | None,
        typer.Option("--history", help="Ids of the items met, oldest first, comma-separated."),
    ] = None,
    k: Annotated[int, typer.Option("--k", min=1, help="Items wanted.")] = 10,
    context: Annotated[
        list[str] | None,
        typer.Option(
            "--context", metavar="NAME=VALUE", help="Another input of the model, such as hour=20."
        ),
    ] = None,
    config: ConfigFile = None,
    dataset: DatasetName = None,
    data_dir: DataFolder = None,
    model_name: ModelName = "recommender",
    timeout_s: Annotated[float, typer.Option("--timeout-s", min=0.1, help="Of a request.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Print a user's best items, with each task's scores.

    With `--dataset`, or a `--config` that names one's own data, the items have titles, and a known
    user's history and features come from the data unless `--history` gives another. To a sequential
    recommender of several kinds of action, `--config` tells the kinds' column, which a run's
    run.yaml names; when the answer is asked for is `--context asked_at=SECONDS`.

    Examples:
      recsys-tf recommend --target 127.0.0.1:8500 --user 196 --dataset ml-100k
      recsys-tf recommend --model-dir models/recommender --user new --history 50,181,172 --k 5
      recsys-tf recommend --model-dir models/recommender --user u7 --config shop.yaml
    """
    if (target is None) == (model_dir is None):
        raise Failure("give either `--target` or `--model-dir`.", ExitCode.WRONG_USAGE)
    given = _context(context or ())
    known = Knowledge()
    if config is not None or dataset is not None:
        known = load_knowledge(run_config(config, dataset=dataset, data_dir=data_dir), user)
    items = known.history if history is None else _ids(history)
    from serving import ServingError

    try:
        with _client(target, model_dir, model_name, timeout_s) as client:
            inputs = known.inputs(client, has_history_values=history is None)
            inputs |= {name: [value] for name, value in given.items()}
            offer = client.recommend([user], [items], inputs, k)[0]
    except ServingError as error:
        raise Failure(str(error)) from error
    if as_json:
        typer.echo(to_json(known.as_dict(offer)))
    else:
        print_table(answer_table(offer, known.titles), f"user {user}, {len(items)} items met")


@contextmanager
def _client(
    target: str | None, model_dir: Path | None, model_name: str, timeout_s: float
) -> Iterator[RecommenderClient]:
    from serving import RecommenderClient

    if target is not None:
        with RecommenderClient(target, model_name, timeout_s=timeout_s) as client:
            yield client
        return
    assert model_dir is not None  # one of the two is given
    with (
        local_server(model_dir, model_name) as port,
        RecommenderClient(f"127.0.0.1:{port}", model_name, timeout_s=timeout_s) as client,
    ):
        yield client


def _ids(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _context(pairs: Sequence[str]) -> dict[str, str]:
    values = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise Failure(
                f"`--context` must be NAME=VALUE, received {pair!r}.", ExitCode.WRONG_USAGE
            )
        values[name] = value
    return values
