"""ExampleGen's executor for files that are TFRecords of `tf.Example`s and split already."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from tfx.components.example_gen import utils
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs

from recsys_tf.features.shards import check_shards


class VerifiedCopyExecutor(base_executor.BaseExecutor):
    """Checks every shard against its manifest and copies it into the split that its folder names.

    A TFRecord file that was cut short at a record's end reads as a shorter file, without a fault;
    the manifest's row counts tell. TFX's own executor would read and write each row again by
    Beam, which takes as long as all of the statistics and changes nothing.
    """

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Copies the splits.

        Args:
            input_dict: Not used.
            output_dict: `examples`.
            exec_properties: `input_base` and `input_config`, whose patterns are `<folder>/*.gz`.

        Raises:
            BrokenExamplesError: If a shard is not as it was written; the text lists every fault.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        base = Path(exec_properties[standard_component_specs.INPUT_BASE_KEY])
        config = json_format.Parse(
            exec_properties[standard_component_specs.INPUT_CONFIG_KEY], example_gen_pb2.Input()
        )
        examples = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.EXAMPLES_KEY]
        )
        names = utils.generate_output_split_names(config, example_gen_pb2.Output())
        examples.split_names = artifact_utils.encode_split_names(names)
        for split in config.splits:
            folder = (base / split.pattern).parent
            target = Path(artifact_utils.get_split_uri([examples], split.name))
            target.mkdir(parents=True, exist_ok=True)
            for name in check_shards(folder).rows:
                shutil.copyfile(folder / name, target / name)
        examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(examples, "tfrecords_gzip")
