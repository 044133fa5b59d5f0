"""What every test needs before TensorFlow is first imported."""

import importlib.util
import os

# tensorflow-recommenders refuses to load unless `tf.keras` is Keras 2.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# The modelling part is tested without TFX too; then the adapters to it are not there.
if importlib.util.find_spec("tfx") is None:
    collect_ignore_glob = ["pipeline/*"]
