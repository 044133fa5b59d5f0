"""The optimiser of a run: rates, schedule, and what the tables have of their own."""

from __future__ import annotations

from typing import Any

import keras

from recsys_tf.config import TrainingConfig
from recsys_tf.layers.table_memory import check_table_memory
from recsys_tf.naming import known_arguments, look_up
from recsys_tf.optimizers import TABLE_OPTIMIZERS, FusedAdam, FusedAdamW, TableOptimizer

# Runs of a few hundred steps end before Keras's 0.999 has forgotten the first gradients.
_BETA_2 = 0.99
# Adagrad's and FTRL's steps shrink with what they have summed, from a start of 0.1.
_TABLE_RATE = 0.1


def make_optimizer(config: TrainingConfig, num_steps: int) -> keras.optimizers.Optimizer:
    """Makes the optimiser of a run.

    Args:
        config: Learning rates, schedule, decay, clipping and the tables' optimiser.
        num_steps: Steps of the whole run, over which the schedule falls.

    Returns:
        Adam, or AdamW where `weight_decay` is above 0; with `table_optimizer`, a `TableOptimizer`
        of it and the tables' own.

    Raises:
        ValueError: If `table_optimizer` is not known.
    """
    is_joint = config.table_optimizer is not None
    rate = _rate(config, config.learning_rate, num_steps)
    clip_norm = None if is_joint else config.clip_norm
    optimizer: keras.optimizers.Optimizer
    if config.weight_decay:
        optimizer = FusedAdamW(
            rate,
            config.weight_decay,
            beta_2=_BETA_2,
            global_clipnorm=clip_norm,
            # A row of a table would shrink in every step, and be read in few.
            decayed_names=("kernel",),
        )
    else:
        optimizer = FusedAdam(rate, beta_2=_BETA_2, global_clipnorm=clip_norm)
    if not is_joint:
        return optimizer
    tables = _table_optimizer(config, num_steps)
    return TableOptimizer(tables, optimizer, global_clipnorm=config.clip_norm)


def check_slots(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    """Checks that what an optimiser will keep beside a model's tables fits into the free memory.

    A matrix counts as a table whether its rows are gathered or multiplied.

    Raises:
        MemoryError: If it does not; the text has the arithmetic.
    """
    if optimizer.built:
        return
    of_tables = _num_slots(getattr(optimizer, "tables", optimizer))
    of_others = _num_slots(getattr(optimizer, "dense", optimizer))
    tables, num_slots = {}, {}
    for variable in model.trainable_variables:
        shape = tuple(map(int, variable.shape))
        if len(shape) == 2:
            tables[variable.path] = shape
            is_table = getattr(variable, "is_table", False)
            num_slots[variable.path] = of_tables if is_table else of_others
    # The tables themselves have been made.
    check_table_memory(tables, num_slots, is_made=True)


def _num_slots(optimizer: keras.optimizers.Optimizer) -> int:
    return 1 if isinstance(optimizer, keras.optimizers.Adagrad) else 2


def _table_optimizer(config: TrainingConfig, num_steps: int) -> keras.optimizers.Optimizer:
    kind = look_up(TABLE_OPTIMIZERS, str(config.table_optimizer), "training.table_optimizer")
    if kind.has_shrinking_steps:
        # Vectors that all start at 0 would stay there: a dot product of two has no gradient.
        options = known_arguments(kind, {"is_start_kept": True})
        return kind(config.table_learning_rate or _TABLE_RATE, **options)
    options = {"beta_2": _BETA_2} if issubclass(kind, keras.optimizers.Adam) else {}
    highest = config.table_learning_rate or config.learning_rate
    return kind(_rate(config, highest, num_steps), **options)


def _rate(config: TrainingConfig, highest: float, num_steps: int) -> Any:
    if config.schedule != "cosine":
        return highest
    warmup = round(num_steps * config.warmup_share)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else highest,
        decay_steps=max(1, num_steps - warmup),
        warmup_target=highest if warmup else None,
        warmup_steps=warmup,
    )
