"""Whether the blocks that a configuration names exist and take the options given to them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping

import keras

from recsys_tf.config import (
    ModelConfig,
    RetrievalConfig,
    RunConfig,
    SequenceConfig,
    TrainingConfig,
)
from recsys_tf.crosses import CROSSES
from recsys_tf.encoders import FUSIONS, HISTORY_BLOCKS, ID_TABLES
from recsys_tf.models.chains import CHAINS
from recsys_tf.multiscenario import SCENARIO_BLOCKS
from recsys_tf.multitask import MULTITASK_BLOCKS
from recsys_tf.naming import option_faults, unknown_name_message
from recsys_tf.optimizers import TABLE_OPTIMIZERS
from recsys_tf.sequences import SEQUENCE_ENCODERS
from recsys_tf.spec import SpecError, list_faults
from recsys_tf.target_attention import TARGET_ATTENTIONS
from recsys_tf.tasks import RETRIEVAL_LOSSES, RetrievalTask
from recsys_tf.weighting import WEIGHTINGS

# A layer's name, dtype and the like are not for a configuration to choose.
_OF_LAYERS = dict.fromkeys(inspect.signature(keras.layers.Layer.__init__).parameters, "")

_BLOCKS: dict[str, tuple[Mapping[str, type], dict[str, str]]] = {
    "fusion": (FUSIONS, {}),
    "history_encoder": (
        HISTORY_BLOCKS,
        {
            "num_indices": "",
            "embedding_dim": "embedding_dim",
            "has_values": "",
            "has_times": "",
            "history_dropout": "history_dropout",
            "empty_history_share": "empty_history_share",
        },
    ),
    "target_attention": (TARGET_ATTENTIONS, {}),
    "cross": (CROSSES, {"hidden_dims": "cross_dims"}),
    "multiscenario": (SCENARIO_BLOCKS, {"num_scenarios": "", "hidden_dim": "scenario_dim"}),
    "multitask": (
        MULTITASK_BLOCKS,
        {
            "task_names": "",
            "num_experts": "num_experts",
            "num_task_experts": "num_task_experts",
            "num_levels": "num_levels",
            "rank": "expert_rank",
            "expert_dim": "expert_dim",
        },
    ),
    "weighting": (WEIGHTINGS, {"weights": ""}),
    "encoder": (SEQUENCE_ENCODERS, {"max_length": "max_length", "has_times": "has_times"}),
    "loss": (RETRIEVAL_LOSSES, {}),
    "retrieval.loss": (
        {**RETRIEVAL_LOSSES, "in_batch": RetrievalTask},
        {"temperature": "temperature", "popularity_correction": "popularity_correction"},
    ),
}
"""By field: the blocks by name, and the fields that give some of their arguments. With its part of
the run where two parts have a field of one name."""

_OF_MODEL = (
    *("fusion", "history_encoder", "target_attention"),
    *("cross", "multiscenario", "multitask"),
)


def check_run_blocks(run: RunConfig) -> None:
    """Checks the names and the options of all blocks that a run names.

    Args:
        run: The run.

    Raises:
        SpecError: See `check_blocks`, and `check_sequence_blocks` where the run has a `sequence`.
    """
    check_blocks(run.model, run.training, run.retrieval)
    if run.sequence is not None:
        check_sequence_blocks(run.sequence)


def check_blocks(
    model: ModelConfig,
    training: TrainingConfig | None = None,
    retrieval: RetrievalConfig | None = None,
) -> None:
    """Checks the names and the options of all blocks, before anything is built.

    Args:
        model: Names the fusion, the history's encoder, the target attention, the cross, the
            scenario block, the multi-task block, the chain and the tables of ids.
        training: Names the weighting and the tables' optimiser; None leaves it out.
        retrieval: Names the loss of retrieval; None leaves it out.

    Raises:
        SpecError: If a name or an option is not known, or an option repeats a field; the text
            lists every fault with its field's path.

    Example:
        >>> check_blocks(ModelConfig(cross="gdcn", cross_options={"structure": "parallel"}))
    """
    faults = []
    for field in _OF_MODEL:
        name, options = getattr(model, field), getattr(model, f"{field}_options")
        faults += [f"model.{each}" for each in _faults(field, name, options)]
    if model.chain not in CHAINS:
        faults.append(f"model.chain: {unknown_name_message('chain', model.chain, CHAINS)}")
    faults += [f"model.{each}" for each in _id_table_faults(model)]
    faults += [f"model.{each}" for each in _by_task_faults(model)]
    if training is not None:
        faults += [
            f"training.{each}"
            for each in _faults("weighting", training.weighting, training.weighting_options)
        ]
        name = training.table_optimizer
        if name is not None and name not in TABLE_OPTIMIZERS:
            message = unknown_name_message("table_optimizer", name, TABLE_OPTIMIZERS)
            faults.append(f"training.table_optimizer: {message}")
    if retrieval is not None:
        chosen = _faults("loss", retrieval.loss, retrieval.loss_options, "retrieval.loss")
        faults += [f"retrieval.{each}" for each in chosen]
    if faults:
        raise SpecError(list_faults("The choice of blocks", faults))


def check_sequence_blocks(config: SequenceConfig) -> None:
    """Checks the names and the options of a sequential recommender's blocks.

    Args:
        config: Names the encoder and the loss.

    Raises:
        SpecError: If a name or an option is not known, or rows are to be packed for an encoder that
            cannot keep them apart; the text lists every fault.
    """
    faults = [
        fault
        for field in ("encoder", "loss")
        for fault in _faults(field, getattr(config, field), getattr(config, f"{field}_options"))
    ]
    encoder = SEQUENCE_ENCODERS.get(config.encoder)
    if config.is_packed and encoder is not None and not encoder.is_packable:
        able = [name for name, block in SEQUENCE_ENCODERS.items() if block.is_packable]
        faults.append(
            f"is_packed: must be false for the encoder {config.encoder!r}, which cannot keep "
            f"several histories of one row apart; {', '.join(able)} can"
        )
    if faults:
        raise SpecError(list_faults("The sequential recommender", faults))


def _faults(
    field: str, name: str | None, options: Mapping[str, object], key: str | None = None
) -> Iterator[str]:
    blocks, given = _BLOCKS[key or field]
    if name is None:
        return  # Options without a block are a fault of the configuration itself.
    if name not in blocks:
        yield f"{field}: {unknown_name_message(field, name, blocks)}"
        return
    argument = f"{field}_options"
    for fault in option_faults(argument, blocks[name], name, options, {**_OF_LAYERS, **given}):
        yield f"{argument}: {fault}"


def _by_task_faults(model: ModelConfig) -> Iterator[str]:
    block = SCENARIO_BLOCKS.get(str(model.multiscenario))
    if not model.scenario_by_task or block is None:
        return
    towers = {n: each.task_towers for n, each in SCENARIO_BLOCKS.items() if each.task_towers}
    if block.task_towers is None:
        yield (
            f"scenario_by_task: must be False with {model.multiscenario!r}, which has no part in "
            f"the tasks' heads; choose among {', '.join(map(repr, towers))}."
        )
        return
    if model.scenario_prior and not block.task_towers.reads_prior:
        able = [name for name, each in towers.items() if each.reads_prior]
        yield (
            f"scenario_prior: must be empty with {model.multiscenario!r}, which reads the scenario "
            f"alone, received {model.scenario_prior}; choose among {', '.join(map(repr, able))}."
        )
    if block.task_towers.keeps_width and set(model.head_dims) != {model.expert_dim}:
        yield (
            f"head_dims: must repeat expert_dim ({model.expert_dim}), once for each layer, with "
            f"{model.multiscenario!r}, whose layers add to the tasks' vectors, received "
            f"{model.head_dims}"
        )


def _id_table_faults(model: ModelConfig) -> Iterator[str]:
    given = {**_OF_LAYERS, "num_indices": "", "embedding_dim": "embedding_dim"}
    for feature, name in model.id_tables.items():
        field, argument = f"id_tables.{feature}", f"id_table_options.{feature}"
        if name not in ID_TABLES:
            yield f"{field}: {unknown_name_message(field, name, ID_TABLES)}"
            continue
        options = model.id_table_options.get(feature, {})
        for fault in option_faults(argument, ID_TABLES[name], name, options, given):
            yield f"{argument}: {fault}"
