"""Reads the data of a run, and says what of it was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsys_tf.cli.console import say, stage
from recsys_tf.cli.failures import ExitCode, failing_with
from recsys_tf.config import RunConfig
from recsys_tf.naming import look_up
from recsys_tf.spec import SpecError

if TYPE_CHECKING:
    from recsys_tf.datasets import Interactions, Split
    from recsys_tf.preparation import PreparedData


def load_interactions(run: RunConfig) -> Interactions:
    """Reads, fetches or generates the data set of a run.

    Raises:
        ValueError: If there is no data set of that name.
        Failure: If the files hold something else than they should (data rejected).
        OSError: If the files are not there, or cannot be fetched.
    """
    from recsys_tf.datasets import DATASETS, load_configured

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


def check_rejections(interactions: Interactions, run: RunConfig) -> None:
    """Stops where too many rows were refused, and says how many there were otherwise."""
    with failing_with(ExitCode.DATA_REJECTED, ValueError):
        interactions.rejections.check_share(run.pipeline.max_rejected_share)
    number = interactions.rejections.num_rejected
    if number:
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
