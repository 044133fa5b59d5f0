"""The Pusher's executor: a blessed model becomes a version at once, or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from tfx.components.pusher import executor
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs

from pipeline.manifests import MANIFEST
from pipeline.publishing import WithdrawnError, publish

NOT_PUSHED_REASON = "not_pushed_reason"
"""Property of the pushed model that says why a blessed one was not published."""


class AtomicPusherExecutor(executor.Executor):
    """Publishes a blessed model by `pipeline.publishing` instead of copying file after file.

    TFX's own executor copies into the final folder, which a server may read half-written, and
    skips a second push within a second but reports it as done. Its checks of the blessings, its
    inputs and its outputs are kept. `custom_config` may hold `keep_versions`. A model that was
    withdrawn is not pushed, like one that is not blessed.
    """

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Publishes the model if it is blessed and was not withdrawn.

        Args:
            input_dict: `model` and `model_blessing`.
            output_dict: `pushed_model`; it receives the manifest and says what was pushed where.
            exec_properties: `push_destination` and `custom_config`.

        Raises:
            PublishError: If the files cannot be written; the old versions are untouched.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.PUSHED_MODEL_KEY]
        )
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        destination = json_format.Parse(
            exec_properties[standard_component_specs.PUSH_DESTINATION_KEY],
            pusher_pb2.PushDestination(),
        )
        custom = json.loads(exec_properties.get("custom_config") or "null") or {}
        try:
            publication = publish(
                self.GetModelPath(input_dict),
                destination.filesystem.base_directory,
                keep_versions=custom.get("keep_versions", 5),
            )
        except WithdrawnError as error:
            pushed.set_string_custom_property(NOT_PUSHED_REASON, str(error))
            self._MarkNotPushed(pushed)
            return
        # The version itself stays where it is served; a second copy would only cost disk.
        Path(pushed.uri).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(publication.path / MANIFEST, Path(pushed.uri) / MANIFEST)
        self._MarkPushed(pushed, str(publication.path), str(publication.version))
