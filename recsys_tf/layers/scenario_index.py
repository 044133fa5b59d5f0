"""How a row's scenario is read: the shared part for a missing or unknown one, else its own."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_tf.types import NUM_RESERVED_INDICES, Tensor


def check_num_scenarios(num_scenarios: Any) -> int:
    """Returns the number if the table holds at least one known scenario.

    Args:
        num_scenarios: Rows of the scenario's table: missing, unknown, and the known ones from
            index 2 on.

    Returns:
        The same number.

    Raises:
        ValueError: If it is not an integer of at least 3.

    Example:
        >>> check_num_scenarios(3)
        3
    """
    lowest = NUM_RESERVED_INDICES + 1
    is_integer = isinstance(num_scenarios, int) and not isinstance(num_scenarios, bool)
    if not is_integer or num_scenarios < lowest:
        raise ValueError(
            f"`num_scenarios` must be an integer of at least {lowest}, the indices of a missing "
            f"and of an unknown scenario and at least one known one, received {num_scenarios!r}."
        )
    return num_scenarios


def check_scenario(inputs: Any, scenario: Any) -> None:
    """Checks that a batch's inputs are floats and its scenarios integers, one a row.

    Args:
        inputs: Tensor or symbolic tensor `[B, D]`.
        scenario: Tensor or symbolic tensor `[B]`.

    Raises:
        TypeError: If `inputs` are no floats or `scenario` no integers.
        ValueError: If `inputs` and `scenario` have different numbers of rows.

    Example:
        >>> import numpy as np
        >>> check_scenario(np.ones([2, 4], "float32"), np.array([2, 3]))
    """
    for name, tensor, kind, rule in (
        ("inputs", inputs, "float", "floating-point numbers"),
        ("scenario", scenario, "int", "integers, the indices of the scenarios"),
    ):
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        if kind not in dtype:
            raise TypeError(f"`{name}` must be {rule}, received {dtype}.")
    rows, given = scenario.shape[0], inputs.shape[0]
    if None not in (rows, given) and rows != given:
        raise ValueError(
            f"`scenario` must have one index for each of the {given} rows of `inputs`, "
            f"received {rows}."
        )


def scenario_one_hot(scenario: Tensor, num_scenarios: int, dtype: str) -> Tensor:
    """Marks the scenario of each row, with one place for all rows that have no known one.

    Args:
        scenario: Int `[B]`: 0 missing, 1 unknown, known ones from 2 on. Any index outside the
            table counts as unknown.
        num_scenarios: Rows `S` of the scenario's table.
        dtype: Of the result.

    Returns:
        `[B, S - 1]`, a single 1 in each row: at 0 without a known scenario, at `s - 1` for the
        scenario `s`.

    Example:
        >>> import numpy as np
        >>> marks = scenario_one_hot(np.array([0, 1, 2, 3, 4, -2]), 4, "int32")
        >>> [[int(mark) for mark in row] for row in marks]
        [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [1, 0, 0]]
    """
    # Compared, not `one_hot`: the backends disagree about what an index out of range becomes.
    # In int64, since an index must not come back into the range by losing its upper half.
    known = ops.arange(NUM_RESERVED_INDICES, num_scenarios, dtype="int64")
    is_own = ops.equal(ops.expand_dims(ops.cast(scenario, "int64"), 1), known)
    is_shared = ops.logical_not(ops.any(is_own, axis=1, keepdims=True))
    return ops.cast(ops.concatenate([is_shared, is_own], axis=1), dtype)


def scenario_rows(one_hot: Tensor, table: Tensor) -> Tensor:
    """Looks up a vector a scenario; a row without a known scenario gets zeros.

    Args:
        one_hot: Marks of the scenarios, float `[B, S - 1]`, as `scenario_one_hot` gives them.
        table: Float `[S - 2, D]`, one row for each known scenario.

    Returns:
        Float `[B, D]`.

    Example:
        >>> import numpy as np
        >>> one_hot = scenario_one_hot(np.array([1, 3]), 4, "float32")
        >>> rows = scenario_rows(one_hot, np.array([[5.0], [7.0]], "float32"))
        >>> [float(row[0]) for row in rows]
        [0.0, 7.0]
    """
    return ops.matmul(one_hot[:, 1:], table)


def scenario_vectors(table: Tensor) -> Tensor:
    """Puts zeros, for rows without a known scenario, before the scenarios' vectors.

    Args:
        table: Float `[S - 2, D]`, one row for each known scenario.

    Returns:
        Float `[S - 1, D]`, in the order of `scenario_one_hot`.

    Example:
        >>> import numpy as np
        >>> [float(row[0]) for row in scenario_vectors(np.array([[5.0], [7.0]], "float32"))]
        [0.0, 5.0, 7.0]
    """
    own = ops.convert_to_tensor(table)
    return ops.concatenate([ops.zeros_like(own[:1]), own], axis=0)


def select_scenario(one_hot: Tensor, values: Tensor) -> Tensor:
    """Picks, out of values that were computed for every scenario, the one of the row's own.

    Args:
        one_hot: Marks of the scenarios, float `[B, S - 1]`, as `scenario_one_hot` gives them.
        values: Float `[B, ..., S - 1, H]`; place 0 holds the shared value.

    Returns:
        Float `[B, ..., H]`.

    Example:
        >>> import numpy as np
        >>> one_hot = scenario_one_hot(np.array([1, 3]), 4, "float32")
        >>> values = np.array([[[1.0], [2.0], [3.0]]] * 2, "float32")
        >>> [float(row[0]) for row in select_scenario(one_hot, values)]
        [1.0, 3.0]
    """
    for _ in range(len(values.shape) - 2):
        one_hot = ops.expand_dims(one_hot, 1)
    return ops.squeeze(ops.matmul(one_hot, values), axis=-2)


def join_scenarios(shared: Tensor, added: Tensor, axis: int) -> Tensor:
    """Puts shared weights at place 0 and, after them, each scenario's: shared plus its own.

    Args:
        shared: Float of any shape.
        added: What each known scenario adds: the same shape with `S - 2` inserted at `axis`.
        axis: Where the scenarios stand.

    Returns:
        The shape of `added` with `S - 1` at `axis`.

    Example:
        >>> import numpy as np
        >>> shared, added = np.array([1.0], "float32"), np.array([[2.0], [3.0]], "float32")
        >>> [float(row[0]) for row in join_scenarios(shared, added, axis=0)]
        [1.0, 3.0, 4.0]
    """
    shared = ops.expand_dims(shared, axis)
    return ops.concatenate([shared, shared + added], axis=axis)
