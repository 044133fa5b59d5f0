"""The cases of the contracts: every block that a table of names or a package's `__all__` holds.

A new multi-task or multi-scenario block, fusion or history encoder needs no line here. A new kind
of feature, or a new layer, needs one case; a test says so.
"""

from __future__ import annotations

from typing import Any

from contract_inputs import (
    CONFIG,
    FEATURES,
    NUM_INDICES,
    NUM_ROWS,
    NUM_SCENARIOS,
    SIZES,
    TOLD,
    Case,
    D,
    L,
    flags,
    floats,
    indices,
    join,
    kinds,
    named,
    ratings,
    scenarios,
    times,
)
from contract_layers import LAYERS, VARIANTS

from recsys_tf import schema
from recsys_tf.config import ModelConfig
from recsys_tf.crosses import CROSSES, make_cross
from recsys_tf.crosses.cross_network import CrossNetwork
from recsys_tf.encoders import (
    ENCODERS,
    FUSIONS,
    HISTORY_BLOCKS,
    HISTORY_ENCODERS,
    ID_TABLES,
    POOLINGS,
    DescribedItems,
    HistoryEvents,
    IdEncoder,
    ItemContent,
    make_encoder,
    make_event_encoder,
)
from recsys_tf.multiscenario import SCENARIO_BLOCKS, make_scenario_block
from recsys_tf.multitask import MULTITASK_BLOCKS, make_multitask_block
from recsys_tf.naming import known_arguments
from recsys_tf.sequences import SEQUENCE_ENCODERS, LastState, SequenceEncoder
from recsys_tf.target_attention import TARGET_ATTENTIONS


def sequence_encoder(name: str) -> SequenceEncoder:
    """The encoder of a name, of one layer, its tables as long as the cases' rows."""
    block = SEQUENCE_ENCODERS[name]
    return block(**known_arguments(block, {"max_length": L, "num_layers": 1}))


def _cross(name: str, num_fields: int, **options: Any) -> Case:
    make = lambda: make_cross(name, (8, D), 0.2, **options)  # noqa: E731
    width = make().compute_output_shape((None, num_fields, 5))[1]
    return Case(make, join(floats(num_fields, 5)), (width,))


def cases_of_tasks() -> dict[str, Case]:
    """Returns the multi-task blocks and what differs between scenarios."""
    cases = {}
    for name in MULTITASK_BLOCKS:
        for tasks in (["click"], ["click", "buy", "rating"]):
            cases[f"multitask {name} of {len(tasks)}"] = Case(
                lambda name=name, tasks=tasks: make_multitask_block(
                    tasks, ModelConfig(**SIZES, multitask=name)
                ),
                # Both numbers of tasks, and one more, divide it: some blocks split it among them.
                join(floats(12)),
                dict.fromkeys(tasks, (D,)),
            )
    for name in SCENARIO_BLOCKS:
        for num_layers in (1, 2):
            cases[f"scenario {name} of {num_layers}"] = Case(
                lambda name=name, num_layers=num_layers: make_scenario_block(
                    name, NUM_SCENARIOS, D, dropout=0.2, num_layers=num_layers, num_experts=3
                ),
                join(floats(5), scenarios),
                (D,),
            )
    for name, block in SCENARIO_BLOCKS.items():
        towers = block.task_towers
        for tasks in (("click",), ("buy", "click")) if towers is not None else ():
            prior = (floats(2),) if towers.reads_prior else ()
            cases[f"scenario {name} by task, of {len(tasks)}"] = Case(
                lambda towers=towers, tasks=tasks: towers(tasks, NUM_SCENARIOS, (D, D), 0.2),
                join(named(**dict.fromkeys(tasks, floats(D))), floats(5), scenarios, *prior),
                dict.fromkeys(tasks, (D,)),
            )
    return cases


def cases_of_fields() -> dict[str, Case]:
    """Returns the crosses and fusions."""
    cases = {}
    for name, block in CROSSES.items():
        for num_fields in (3, 1):
            cases[f"cross {name} of {num_fields}"] = _cross(name, num_fields)
        if issubclass(block, CrossNetwork):
            cases[f"cross {name} in parallel"] = _cross(name, 3, structure="parallel")
    for name, make in FUSIONS.items():
        width = {"concat": 3 * D}.get(name, D)
        features = join(named(user=floats(D), item=floats(D), hour=floats(D)))
        cases[f"fusion {name}"] = Case(make, features, (width,))
    return cases


def cases_of_events() -> dict[str, Case]:
    """Returns what reads a history's events."""
    cases = {}
    for name, make in POOLINGS.items():
        cases[f"pooling {name}"] = Case(make, join(floats(L, D), flags(L)), (D,))
    for name in SEQUENCE_ENCODERS:
        cases[f"sequence {name}"] = Case(
            lambda name=name: sequence_encoder(name), join(floats(L, D), flags(L)), (L, D)
        )
    for name, make in TARGET_ATTENTIONS.items():
        cases[f"target attention {name}"] = Case(
            make, join(floats(L, D), flags(L), floats(D)), (D,)
        )
    cases["last state"] = Case(
        lambda: LastState(sequence_encoder("gru4rec")), join(floats(L, D), flags(L)), (D,)
    )
    rated, inputs = FEATURES["history"]
    unrated = rated.model_copy(update={"values_name": None})
    for name in HISTORY_ENCODERS:
        # One layer is enough here, and several times faster to save and load.
        options = known_arguments(HISTORY_BLOCKS[name], {"num_layers": 1})
        config = CONFIG.model_copy(
            update={"history_encoder": name, "history_encoder_options": options}
        )
        cases[f"history {name}"] = Case(
            lambda config=config: make_encoder(rated, NUM_ROWS, config), inputs, (D,)
        )
        cases[f"history {name} without values"] = Case(
            lambda config=config: make_encoder(unrated, NUM_ROWS, config),
            join(indices(L)),
            (D,),
        )
        if name != "bag":
            told = TOLD.model_copy(update={"values_name": "r"})
            cases[f"history {name} with kinds and times"] = Case(
                lambda config=config, told=told: make_encoder(told, NUM_ROWS, config),
                join(indices(L), ratings, kinds, times),
                (D,),
            )
    cases["history events with kinds and times"] = Case(
        lambda: HistoryEvents(IdEncoder(NUM_INDICES, D), make_event_encoder(TOLD, 0.05, "told")),
        join(indices(L), kinds, times),
        (L, D),
    )
    cases["described items"] = Case(
        lambda: DescribedItems(IdEncoder(NUM_INDICES, D), ItemContent(NUM_INDICES, 3, D)),
        join(indices(L)),
        (L, D),
    )
    cases["history events"] = Case(
        lambda: HistoryEvents(IdEncoder(NUM_INDICES, D)), join(indices(L)), (L, D)
    )
    return cases


def cases_of_features() -> dict[str, Case]:
    """Returns the encoders by kind of feature and by table of ids."""
    cases = {}
    for name in ID_TABLES:
        # The item's own table, behind a gate, is the history's and that of a set of values too.
        config = CONFIG.model_copy(
            update={
                "id_tables": dict.fromkeys(NUM_ROWS, name),
                "frequency_gates": dict.fromkeys(NUM_ROWS, 2),
            }
        )
        tags = schema.CategoricalFeature(name="genres", side="item", is_multivalent=True)
        for spec, inputs in (FEATURES["id"], FEATURES["history"], (tags, join(indices(L)))):
            cases[f"{spec.kind} by the table {name}"] = Case(
                lambda spec=spec, config=config: make_encoder(spec, NUM_ROWS, config), inputs, (D,)
            )
    for kind in ENCODERS:
        if kind in FEATURES:
            spec, inputs = FEATURES[kind]
            make = lambda spec=spec: make_encoder(spec, NUM_ROWS, CONFIG)  # noqa: E731
            cases[f"encoder {kind}"] = Case(make, inputs, (D,))
    return cases


CASES = {
    **LAYERS,
    **VARIANTS,
    **cases_of_tasks(),
    **cases_of_fields(),
    **cases_of_events(),
    **cases_of_features(),
}
