"""TFX adapters: the package's parts as a pipeline with data checks, caching and a release gate.

`pipeline.runner.run_pipeline` takes prepared data to a published, numbered SavedModel. What the
components do stands in `recsys_tf`; here is only what TFX needs to call it. The names below need
no TFX.
"""

import os

# tensorflow-recommenders refuses to load unless `tf.keras` is Keras 2, which is read when
# TensorFlow is first imported.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

from pipeline.publishing import (
    Publication,
    PublishError,
    Withdrawal,
    WithdrawnError,
    publish,
    versions,
    withdraw,
)

__all__ = [
    "Publication",
    "PublishError",
    "Withdrawal",
    "WithdrawnError",
    "publish",
    "versions",
    "withdraw",
]
