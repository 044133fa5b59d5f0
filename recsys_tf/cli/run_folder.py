"""The folder of one training run: whole when `model.keras` is there, and only then."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_tf.cli.console import say, stage, to_json
from recsys_tf.cli.data_fingerprint import DataFingerprint
from recsys_tf.cli.failures import ExitCode, Failure, check_writable
from recsys_tf.cli.kinds import kind_of
from recsys_tf.config import RunConfig

if TYPE_CHECKING:
    import keras

    from recsys_tf.datasets import Interactions, LabelledTable
    from recsys_tf.features import FeatureState
    from recsys_tf.preparation import PreparedData, PreparedTable

MODEL = "model.keras"
CONFIG = "run.yaml"
DATA = "data.json"
HISTORY = "history.json"
FEATURES = "features"


@dataclass(frozen=True)
class RunFolder:
    """Reads and writes the folder of a run.

    It holds `model.keras`, `run.yaml` (the configuration), `data.json` (which data it was trained
    on), `features/` (the fitted preprocessing) and `history.json` (losses and metrics by epoch).
    While training it holds `unfinished/` with the last checkpoint.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def is_whole(self) -> bool:
        """Whether a finished run lies here."""
        return (self.path / MODEL).is_file()

    @property
    def unfinished(self) -> Path:
        """Where an unfinished run is kept."""
        return self.path / "unfinished"

    @property
    def checkpoints(self) -> Path:
        """Where `training.fit` keeps its checkpoints."""
        return self.unfinished / "checkpoints"

    @property
    def has_checkpoint(self) -> bool:
        """Whether an unfinished run has a checkpoint to go on from."""
        return any(self.checkpoints.glob("epoch-*"))

    def claim(self, run: RunConfig, *, is_overwriting: bool) -> bool:
        """Makes the folder ready for a run, before any time is spent.

        Args:
            run: What will be trained; a checkpoint is taken up only by the same configuration.
            is_overwriting: Whether an older run may be replaced and a checkpoint dropped. What has
                begun to replace an older run has a checkpoint, and goes on without this.

        Returns:
            Whether there is a checkpoint to go on from.

        Raises:
            Failure: If the folder cannot be written, or holds something else.
        """
        check_writable(self.path, "--out")
        if is_overwriting:
            shutil.rmtree(self.unfinished, ignore_errors=True)
        # What a kill has left while an ended run was cleared away is no run to go on with.
        elif self.is_whole and not (self.has_checkpoint and (self.unfinished / CONFIG).is_file()):
            raise Failure(
                f"`--out` {self.path} holds a finished run; name another folder, or give "
                "`--overwrite`.",
                ExitCode.WRONG_USAGE,
            )
        begun = self.unfinished / CONFIG
        # Before the first checkpoint nothing is lost, say of a run whose configuration had faults.
        is_begun = self.has_checkpoint and begun.is_file()
        if is_begun and RunConfig.from_yaml(begun) != run:
            raise Failure(
                f"`--out` {self.path} holds an unfinished run of another configuration; name "
                "another folder, or give `--overwrite` to drop it.",
                ExitCode.WRONG_USAGE,
            )
        self.unfinished.mkdir(exist_ok=True)
        if not is_begun:
            # In one step, so that a kill leaves no half of it beside a checkpoint.
            writing = begun.with_suffix(".writing")
            run.to_yaml(writing)
            os.replace(writing, begun)
        return self.has_checkpoint

    def claim_data(self, source: Interactions | LabelledTable) -> None:
        """Notes which data the claimed run is trained on.

        Args:
            source: The data set; a checkpoint is taken up only over the same one. Of a
                checkpoint of an older version, which noted none, a line is said.

        Raises:
            Failure: If the checkpoint was trained on other data.
        """
        path = self.unfinished / DATA
        now = _fingerprint(source)
        if not self.has_checkpoint:
            now.save(path)
            return
        then = DataFingerprint.load(path)
        if then is None:
            say(
                f"the checkpoint in {self.unfinished} does not tell its data; going on as if they "
                "were these"
            )
        elif then != now:
            raise Failure(
                f"`--out` {self.path} holds an unfinished run that began on {then}, and the data "
                f"are now {now}; bring the former data back, name another folder, or give "
                "`--overwrite` to drop it.",
                ExitCode.DATA_REJECTED,
            )

    def data_change(self, source: Interactions | LabelledTable) -> str | None:
        """Says how data differ from those that the finished run was trained on.

        Args:
            source: The data set.

        Returns:
            The beginning of a sentence; None where they are the same, or where a run of an older
            version does not tell its data, of which a line is said.
        """
        then, now = DataFingerprint.load(self.path / DATA), _fingerprint(source)
        if then is None:
            say(f"{self.path} does not tell its data; whether they have changed is not known")
        if then is None or then == now:
            return None
        return f"{self.path} was trained on {then}, and the data are now {now}"

    def data_fingerprint(self) -> DataFingerprint | None:
        """Returns which data the finished run was trained on; None where it does not tell."""
        return DataFingerprint.load(self.path / DATA)

    def save(
        self,
        run: RunConfig,
        model: keras.Model,
        state: FeatureState,
        history: dict[str, list[float]],
    ) -> None:
        """Writes a finished run, whole or not at all; `model.keras` comes last."""
        writing = self.unfinished / "writing"
        shutil.rmtree(writing, ignore_errors=True)
        writing.mkdir(parents=True)
        model.save(writing / MODEL)
        run.to_yaml(writing / CONFIG)
        names = [CONFIG, FEATURES, HISTORY, MODEL]
        # A checkpoint of an older version did not tell it, and then nobody knows.
        if (self.unfinished / DATA).is_file():
            shutil.copy(self.unfinished / DATA, writing / DATA)
            names.insert(0, DATA)
        state.save(writing / FEATURES)
        (writing / HISTORY).write_text(to_json(history) + "\n", encoding="utf-8")
        # From here on an older run is no longer whole, until the new model is in its place.
        (self.path / MODEL).unlink(missing_ok=True)
        (self.path / DATA).unlink(missing_ok=True)
        shutil.rmtree(self.path / FEATURES, ignore_errors=True)
        for name in names:
            os.replace(writing / name, self.path / name)
        # First, as `claim` knows by it what is cleared away: a tree is removed in any order.
        (self.unfinished / CONFIG).unlink(missing_ok=True)
        shutil.rmtree(self.unfinished, ignore_errors=True)

    def config(self, data_dir: Path | None = None) -> RunConfig:
        """Reads the configuration of a finished run.

        Args:
            data_dir: Where the data lies now; None for where it lay.

        Raises:
            Failure: If the folder holds no finished run.
        """
        if not self.is_whole:
            state = "an unfinished run" if self.unfinished.is_dir() else "no run"
            raise Failure(
                f"{self.path} holds {state}; make one with `recsys-tf train --out {self.path}`.",
                ExitCode.WRONG_USAGE,
            )
        run = RunConfig.from_yaml(self.path / CONFIG)
        if data_dir is None:
            return run
        values = run.to_dict()
        values["data"]["folder"] = str(data_dir.expanduser().absolute())
        return RunConfig.from_dict(values)

    def use_saved_features(self, data: PreparedData | PreparedTable) -> None:
        """Gives the data the preprocessing that the model was trained with."""
        from recsys_tf.features import FeatureState

        # Where a cached property keeps its value: fitting anew would take time for equal numbers.
        vars(data)["state"] = FeatureState.load(self.path / FEATURES)

    def load_model(self) -> Any:
        """Loads the model, of the class that the configuration's kind has."""
        import keras

        # Registers the classes that `model.keras` names.
        model_type = kind_of(self.config()).model_type()
        with stage(f"loading {self.path / MODEL}"):
            model = keras.models.load_model(self.path / MODEL)
        if not isinstance(model, model_type):
            raise Failure(
                f"{self.path / MODEL} holds a {type(model).__name__}, no {model_type.__name__}."
            )
        return model


def _fingerprint(source: Interactions | LabelledTable) -> DataFingerprint:
    with stage("computing the digest of the data"):
        return DataFingerprint.of(source)
