"""The check of the dtypes of events and their mask."""

from __future__ import annotations

from typing import Any

import keras


def check_dtypes(events: Any, is_valid: Any) -> None:
    """Checks that events are floats and their mask is a bool.

    Raises:
        TypeError: If one of them is not.
    """
    dtype = keras.backend.standardize_dtype(events.dtype)
    if "float" not in dtype:
        raise TypeError(
            f"`events` must be floats, received dtype {dtype}. Give the events' embeddings, "
            "not their ids."
        )
    dtype = keras.backend.standardize_dtype(is_valid.dtype)
    if dtype != "bool":
        raise TypeError(
            f"`is_valid` must be of dtype bool, received {dtype}. Compare it: `ids != 0`."
        )
