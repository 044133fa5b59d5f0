"""A trained model in one of larger tables: new ids without training from the start."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, cast

import keras
import numpy as np

from recsys_tf.encoders import ItemContent
from recsys_tf.models.multitask_model import MultitaskModel
from recsys_tf.models.row_numbers import is_of, row_numbers
from recsys_tf.models.sequence_recommender import SequenceRecommender
from recsys_tf.optimizers.row_wise_ftrl import ftrl_start
from recsys_tf.types import NUM_RESERVED_INDICES, UNKNOWN_INDEX, Array, FloatArray, IntArray


def grow_tables(
    source: keras.Model,
    target: keras.Model,
    old_rows: Mapping[str, IntArray] | None = None,
    new_rows: Literal["unknown", "initial"] = "unknown",
) -> None:
    """Copies a model's weights, and its optimiser's state, into one with more rows in its tables.

    Make `target` of the same configuration and more indices, compile it alike and build its
    optimiser, and call this; training then goes on. A table is any variable that differs in the
    number of its rows alone. The slots of new rows stay as the optimiser starts them; FTRL's sums,
    of which it makes the rows, start at what gives the rows that are written. What is counted of
    ids and not trained, such as `FrequencyGate`'s sights, stays as `target` has it for new rows.

    A table whose rows are of many ids (`model.id_tables`) is taken over where both models choose
    them alike: give it `num_buckets`, or `num_remainders`, which otherwise follow the number of
    ids. A new id has then the rows that the choice gives it, whatever `new_rows` says.

    What is known of the items is no part of it: the content of a `SequenceRecommender`, and the
    catalogue and the items' shares of the training rows (`item_probability`) of a `Recommender`,
    stay as `target` has them, whose items and rows they are of. Make `target` with them, and give
    it `set_item_counts`, as `build_recommender` does.

    Args:
        source: The trained model.
        target: A model of the same layers; its variables are written.
        old_rows: Where the preprocessing has numbered the ids anew, int `[N']`: the old number of
            each new row, -1 where it has none. By the name of an id, for instance `item_id`
            (`items` of a `SequenceRecommender`), for all that has a row an id: its table, biases
            and counts, and a history's own tables. Of other models, and for categories, by a part
            of the paths of the variables. Other tables keep their numbers, and new rows come after
            them.
        new_rows: `unknown` starts them at the old row of the unknown id, which training has taught
            what can be said without knowing the id; `initial` leaves what the initialiser drew.

    Raises:
        ValueError: If the models differ in more than the rows, a table would shrink without being
            in `old_rows`, a name of `old_rows` is of no variable or of none with as many rows, the
            names leave something of the same ids, a table of rows of many ids chooses them
            otherwise or is in `old_rows`, or the models' tasks, their order or
            `multitask_options.steps` differ.

    Example:
        >>> from recsys_tf.layers import EmbeddingTable
        >>> ids = keras.Input([], dtype="int64")
        >>> small, large = (keras.Sequential([ids, EmbeddingTable(n, 2)]) for n in (4, 6))
        >>> grow_tables(small, large)
        >>> rows, old = np.array(large.weights[0]), np.array(small.weights[0])
        >>> bool((rows[:4] == old).all()), bool((rows[4:] == old[1]).all())
        (True, True)
    """
    old_rows = old_rows or {}
    _check_tasks(source, target)
    shared = _rows_of_many_ids(source, target, old_rows)
    numbers = row_numbers(source, target, old_rows)
    first = UNKNOWN_INDEX if new_rows == "unknown" else None
    written = _grown(source.variables, target.variables, numbers, first, shared)
    mine, theirs = (getattr(each, "optimizer", None) for each in (source, target))
    if mine is not None and theirs is not None and mine.built and theirs.built:
        written += _grown(mine.variables, theirs.variables, numbers, None)
    # All fits: only now is the first written.
    for variable, values, _ in written:
        variable.assign(values)
    loss = getattr(target, "retrieval_loss", None)
    if loss is not None:
        loss.forget()
    if first is not None and theirs is not None and theirs.built:
        _restart_ftrl(theirs, {id(variable): is_new for variable, _, is_new in written})


def with_content(model: SequenceRecommender, content: FloatArray) -> SequenceRecommender:
    """Puts a trained model over a catalogue that has changed since: new items by their content.

    Args:
        model: The trained model, of items with content.
        content: float `[N, F]`, as `SequenceData.content` makes it of the new catalogue: the first
            `num_indices` rows are of the items that training has met, the others of as many items
            as there are by now.

    Returns:
        A model of the same weights but for the content, not compiled.

    Raises:
        ValueError: If the model has no content, or the new one is of another width, has too few
            rows or is not finite.

    Example:
        >>> from recsys_tf import SequenceConfig
        >>> model = SequenceRecommender(5, SequenceConfig(embedding_dim=4), np.ones((5, 2)))
        >>> with_content(model, np.ones((9, 2))).item_vectors.shape
        (9, 4)
    """
    shape, old = np.shape(content), model.item_content
    if old is None:
        raise ValueError(
            "`model` must have content, which new items are known by, received one without; train "
            "it with `content`."
        )
    if len(shape) != 2 or shape[0] < model.num_indices or shape[1] != old.content_dim:
        raise ValueError(
            f"`content` must be [N, {old.content_dim}] with {model.num_indices} rows or more, "
            f"received shape {shape}; make it by the preprocessing of the model's training."
        )
    grown = type(model).from_config({**model.get_config(), "num_rows": shape[0]})
    for mine, new in zip(model.weights, grown.weights, strict=True):
        if mine is not old.content:
            new.assign(mine)
    numbers = np.array(content, np.float32)
    numbers[:NUM_RESERVED_INDICES] = 0
    cast(ItemContent, grown.item_content).set_content(numbers)
    return grown


def _grown(
    source: Sequence[Any],
    target: Sequence[Any],
    numbers: Mapping[int, IntArray],
    first: int | None,
    shared: Collection[int] = (),
) -> list[tuple[Any, Array, Array]]:
    """Returns each variable of the target, what it is to hold, and which rows of it are new."""
    if len(source) != len(target):
        raise ValueError(
            f"`target` must have the variables of `source`, received {len(target)} and "
            f"{len(source)}. Build it from the same configuration, and its optimiser alike."
        )
    grown = []
    for mine, theirs in zip(source, target, strict=True):
        if not getattr(theirs, "is_given", False):
            # Elsewhere the row of the unknown id says nothing of a new one's.
            is_of_ids = theirs.trainable and id(theirs) not in shared
            named = numbers.get(id(theirs))
            rows = _rows(np.array(mine), theirs, named, first if is_of_ids else None)
            grown.append((theirs, *rows))
    return grown


def _check_tasks(source: keras.Model, target: keras.Model) -> None:
    """Checks that weights of one task do not go to another: they are taken over by their order."""
    theirs = _task_orders(target)
    for rule, names in _task_orders(source).items():
        found = theirs.get(rule, names)
        if found != names:
            raise ValueError(f"`target` must {rule}, received {found} and {names}.")


def _task_orders(model: keras.Model) -> dict[str, list[str]]:
    """Returns the orders in which tasks have weights, by what `target` must do to keep each."""
    if not isinstance(model, MultitaskModel):
        return {}
    ranking = [task.name for task in model.schema.ranking_tasks]
    auxiliary = [task.name for task in model.schema.auxiliary_tasks]
    # Without an option the steps are the tasks as they stand.
    steps = cast(Sequence[str], model.config.multitask_options.get("steps", ranking))
    return {
        "have the tasks of `source` in their order": ranking + auxiliary,
        "hand on between tasks by `multitask_options.steps` of `source`": list(steps),
    }


def _rows_of_many_ids(
    source: keras.Model, target: keras.Model, old_rows: Mapping[str, IntArray]
) -> set[int]:
    """Checks that ids keep the rows that they share; returns the target's variables of these."""
    mine, theirs = (
        [each for each in model._flatten_layers() if hasattr(each, "id_assignment")]
        for model in (source, target)
    )
    found = [[each.id_assignment for each in layers] for layers in (mine, theirs)]
    if found[0] != found[1]:
        raise ValueError(
            "`target` must choose the rows of its ids as `source` does, where several ids share "
            f"them, received {found[1]} and {found[0]}. Give `num_buckets`, or `num_remainders`, "
            "in `id_table_options`, and the same seed: by default they follow the number of ids."
        )
    variables = [variable for each in theirs for variable in each.variables]
    for name in old_rows:
        if any(is_of(name, each) for each in variables):
            raise ValueError(
                f"`old_rows` must not hold {name!r}, whose rows several ids share by their "
                "numbers; keep the numbers, and put new ids after them."
            )
    return {id(each) for each in variables}


def _rows(
    old: Array, variable: Any, named: IntArray | None, first: int | None
) -> tuple[Array, Array]:
    shape = tuple(variable.shape)
    is_table = len(shape) > 0 and old.shape[1:] == shape[1:]
    if is_table and named is not None:
        numbers = named
    elif old.shape == shape:
        return old, np.zeros(shape[:1], bool)
    elif is_table and old.shape[0] < shape[0]:
        numbers = np.arange(shape[0])
        numbers[old.shape[0] :] = -1
    else:
        raise ValueError(
            f"`target` must have at least the rows of `source` and equal widths: {variable.path!r} "
            f"has the shape {shape}, and that of `source` is {old.shape}."
        )
    if numbers.max(initial=-1) >= old.shape[0]:
        raise ValueError(
            f"`old_rows` must be below the {old.shape[0]} rows of the old table {variable.path!r}, "
            f"received {numbers.max()}."
        )
    values = np.array(variable) if first is None else np.repeat(old[first : first + 1], shape[0], 0)
    values[numbers >= 0] = old[numbers[numbers >= 0]]
    return values, numbers < 0


def _restart_ftrl(optimizer: Any, is_new: Mapping[int, Array]) -> None:
    """Starts FTRL's sums of new rows anew: it makes a row of them, whatever stands there."""
    for part in ("tables", "dense", "inner_optimizer"):
        if hasattr(optimizer, part):
            _restart_ftrl(getattr(optimizer, part), is_new)
    if not isinstance(optimizer, keras.optimizers.Ftrl):
        return
    for variable, slot in zip(optimizer._trainable_variables, optimizer._linears, strict=True):
        rows = np.flatnonzero(is_new[id(variable)])
        if len(rows):
            sums = np.array(slot)
            values = np.array(variable)[rows]
            sums[rows] = ftrl_start(optimizer, values, float(optimizer.learning_rate))
            slot.assign(sums)
