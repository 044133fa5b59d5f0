"""Aliases and the one symbol legend of the package.

Shapes are written `[B, L, D]` with these letters:

| letter | meaning |
| --- | --- |
| `B` | rows of a batch |
| `L` | length of a history |
| `W` | tokens of a text |
| `F` | number of features (fields) |
| `D` | width of an embedding |
| `H` | width of a hidden layer |
| `E` | number of experts |
| `T` | number of tasks |
| `S` | number of scenarios |
| `N` | number of candidates (items of the catalogue) |
| `K` | cut-off of a ranked list |
| `U` | number of users |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
"""Any NumPy array."""

IntArray = npt.NDArray[np.integer[Any]]
"""A NumPy array of integers."""

FloatArray = npt.NDArray[np.floating[Any]]
"""A NumPy array of floating-point numbers."""

Tensor = Any
"""A tensor of whichever Keras backend runs; its shape and dtype stand in the docstring."""

TensorDict = Mapping[str, Tensor]
"""Tensors by the name of a feature or a task."""

PADDING_INDEX = 0
"""Index of "no value": the padding of a list, a missing optional feature."""

UNKNOWN_INDEX = 1
"""Index of a value that the training rows did not hold."""

NUM_RESERVED_INDICES = 2
"""Indices before the first known value; a table of `V` known values has `V + 2` rows."""

MAX_VERSION = 2**63 - 1
"""Highest number of a served version: the protocol names it by an int64."""
