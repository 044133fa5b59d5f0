"""Reads the data of a run, and says what of it was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsys_tf.cli.console import say, stage
from recsys_tf.cli.failures import ExitCode, failing_with
from recsys_tf.config import RunConfig
from recsys_tf.naming import look_up
from recsys_tf.spec import SpecError

if TYPE_CHECKING:
    from recsys_tf.datasets import Interactions, LabelledTable, Split
    from recsys_tf.preparation import PreparedData, PreparedTable


def load_interactions(run: RunConfig) -> Interactions:
    """Reads, fetches or generates the data set of a run.

    Raises:
        SpecError: If the run has a `table`, or its data set is one.
        ValueError: If there is no data set of that name.
        Failure: If the files hold something else than they should (data rejected).
        OSError: If the files are not there, or cannot be fetched.
    """
    from recsys_tf.datasets import DATASETS, TABLES, load_configured

    if run.table is not None:
        raise SpecError(
            "table: must be left out where users and items are read; `recsys-tf train`, "
            "`evaluate`, `profile` and `export` take a table, and a server answers by the "
            "signature `rank`."
        )
    if run.data.dataset in TABLES and run.data.dataset not in DATASETS:
        raise SpecError(
            f"data.dataset: {run.data.dataset!r} is a table, which `recsys-tf train`, `evaluate`, "
            "`profile` and `export` take: there give the run a `table`, such as by "
            "`--set table.test_rows=drawn --set data.split=random`."
        )
    look_up(DATASETS, run.data.dataset, "dataset")
    with (
        stage(f"reading {run.data.dataset}", has_spinner=False),
        failing_with(ExitCode.DATA_REJECTED, ValueError, TypeError),
    ):
        return load_configured(run)


def split_interactions(interactions: Interactions, run: RunConfig) -> Split:
    """Cuts the data set into its parts; data that cannot be cut so is rejected."""
    from recsys_tf.datasets import make_split

    with failing_with(ExitCode.DATA_REJECTED, ValueError):
        return make_split(interactions, run.data)


def check_rejections(source: Interactions | LabelledTable, run: RunConfig) -> None:
    """Stops where too many rows were refused, and says how many there were otherwise."""
    with failing_with(ExitCode.DATA_REJECTED, ValueError):
        source.rejections.check_share(run.pipeline.max_rejected_share)
    number = source.rejections.num_rejected
    if number and run.table is not None:
        reasons = ", ".join(f"{each:,} {why}" for why, each in source.rejections.counts.items())
        say(f"{number:,} rows were rejected: {reasons}")
    elif number:
        say(f"{number:,} rows were rejected; `recsys-tf data` says which and why")


def load_prepared(run: RunConfig, interactions: Interactions | None = None) -> PreparedData:
    """Reads and splits the data of a run; see `load_interactions` for the errors.

    Args:
        run: The run.
        interactions: The data set, where it is read and checked already.

    Raises:
        SpecError: If the run names a block or an option that is not known.
        Failure: If its `evaluation` names what the data set does not have (wrong usage), or the
            data cannot be cut or weighed as it says (data rejected).
    """
    with stage("loading TensorFlow"):
        from recsys_tf.models.block_options import check_run_blocks
        from recsys_tf.preparation import prepare

    check_run_blocks(run)
    if interactions is None:
        interactions = load_interactions(run)
        check_rejections(interactions, run)
    with (
        failing_with(ExitCode.DATA_REJECTED, ValueError),
        # A fault of the run is no fault of the data.
        failing_with(ExitCode.WRONG_USAGE, SpecError),
    ):
        return prepare(run, interactions)


def load_prepared_table(run: RunConfig) -> PreparedTable:
    """Reads and splits the table of a run.

    Raises:
        SpecError: If the run names a block or an option that is not known.
        ValueError: If there is no table of that name.
        Failure: If its `evaluation` names what the table does not have (wrong usage), or the files
            hold something else than they should (data rejected).
        OSError: If the files are not there.
    """
    with stage("loading TensorFlow"):
        from recsys_tf.datasets import TABLES, load_configured_table
        from recsys_tf.models.block_options import check_run_blocks
        from recsys_tf.preparation import prepare_table

    check_run_blocks(run)
    look_up(TABLES, run.data.dataset, "dataset")
    with (
        stage(f"reading {run.data.dataset}", has_spinner=False),
        failing_with(ExitCode.DATA_REJECTED, ValueError, TypeError),
    ):
        table = load_configured_table(run)
    check_rejections(table, run)
    with (
        failing_with(ExitCode.DATA_REJECTED, ValueError),
        # A fault of the run is no fault of the data.
        failing_with(ExitCode.WRONG_USAGE, SpecError),
    ):
        return prepare_table(run, table)
