"""Multi-scenario blocks: `[B, D]` and the rows' scenarios `[B]` -> `[B, H]`; and by task."""

from __future__ import annotations

from typing import Any

from recsys_tf.multiscenario.ada_sparse import AdaSparse
from recsys_tf.multiscenario.hinet import HiNet
from recsys_tf.multiscenario.m2m import M2M
from recsys_tf.multiscenario.meta_towers import MetaTowers
from recsys_tf.multiscenario.pepnet import PEPNet
from recsys_tf.multiscenario.personal_towers import PersonalTowers
from recsys_tf.multiscenario.sar_net import SARNet
from recsys_tf.multiscenario.scenario_block import ScenarioBlock
from recsys_tf.multiscenario.star import STAR
from recsys_tf.multiscenario.task_towers import TaskTowers
from recsys_tf.naming import known_arguments, look_up

SCENARIO_BLOCKS: dict[str, type[ScenarioBlock]] = {
    "ada_sparse": AdaSparse,
    "hinet": HiNet,
    "m2m": M2M,
    "pepnet": PEPNet,
    "sar_net": SARNet,
    "star": STAR,
}
"""Multi-scenario blocks by name; each takes `num_scenarios` first."""

__all__ = [
    "M2M",
    "SCENARIO_BLOCKS",
    "STAR",
    "AdaSparse",
    "HiNet",
    "MetaTowers",
    "PEPNet",
    "PersonalTowers",
    "SARNet",
    "ScenarioBlock",
    "TaskTowers",
    "make_scenario_block",
]


def make_scenario_block(
    name: str,
    /,
    num_scenarios: int,
    hidden_dim: int = 64,
    dropout: float = 0.0,
    num_layers: int = 1,
    num_experts: int = 4,
    **kwargs: Any,
) -> ScenarioBlock:
    """Makes the multi-scenario block of a name.

    Args:
        name: A name of `SCENARIO_BLOCKS`; by position, so that `name=` can name the layer.
        num_scenarios: Rows `S` of the scenario's table: missing (0), unknown (1) and the known
            scenarios from 2 on.
        hidden_dim: Width `H` of the block's layers and of its output.
        dropout: Share of the units that is dropped while training.
        num_layers: Layers of the block, or of its experts.
        num_experts: Shared experts of a block that has any; the others have no use for it.
        **kwargs: Further arguments of the block's constructor.

    Returns:
        A layer from `[B, D]` and `[B]` to `[B, H]`.

    Raises:
        ValueError: If `name` is not a name of `SCENARIO_BLOCKS`, or the block refuses the sizes.

    Example:
        >>> make_scenario_block("hinet", 5, hidden_dim=8, num_experts=2).num_experts
        2
    """
    block = look_up(SCENARIO_BLOCKS, name, "multiscenario")
    sizes: dict[str, Any] = {
        "hidden_dim": hidden_dim,
        "num_layers": num_layers,
        "num_experts": num_experts,
        "dropout": dropout,
    }
    return block(num_scenarios, **known_arguments(block, sizes), **kwargs)
