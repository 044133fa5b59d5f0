"""TFX adapters: the package's parts as a pipeline with data checks, caching and a release gate.

`run_pipeline` takes prepared data to a published, numbered SavedModel. What the components do
stands in `recsys_tf`; here is only what TFX needs to call it.
"""

import os

# tensorflow-recommenders loads only where `tf.keras` is Keras 2, which is read when TensorFlow
# is first imported.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

from pipeline.publishing import PublishError, publish
from pipeline.results import PipelineResult
from pipeline.runner import PipelineError, run_pipeline

__all__ = ["PipelineError", "PipelineResult", "PublishError", "publish", "run_pipeline"]
