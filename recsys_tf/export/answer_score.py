"""The score that orders an answer, as the configuration describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recsys_tf.config import ExportConfig
from recsys_tf.naming import option_faults
from recsys_tf.schema import FeaturesAndTasks, TaskSpec
from recsys_tf.score_fusion import SCORE_FUSIONS, Calibration, ScoreFusion, make_score_fusion

SCORE = "score"
"""The output of a `ServedRanker` that joins its tasks."""


def answer_score(
    config: ExportConfig,
    tasks: Sequence[str],
    retrieval: str,
    calibrations: Mapping[str, Calibration] | None = None,
) -> ScoreFusion:
    """Makes the fusion of the tasks' predictions that orders an answer.

    Args:
        config: Its `score_fusion`, `fusion_options`, `score_weights` and `calibration`.
        tasks: The tasks of an answer.
        retrieval: The one of them that orders alone where `score_weights` is empty.
        calibrations: What `fit_calibrations` found.

    Returns:
        The fusion.

    Raises:
        ValueError: If the weights are yet to be learned, a name is not known, a calibration that
            the configuration asks for is not given, or the fusion refuses its arguments.

    Example:
        >>> fusion = answer_score(ExportConfig(), ["watch", "click"], "watch")
        >>> float(fusion({"watch": -2.0, "click": 0.3}))
        -2.0
    """
    if config.goal is not None:
        raise ValueError(
            "`ExportConfig.goal` must be None where answers are made, since its weights are yet to "
            f"be learned, received {config.goal.task!r}; serve the `config` and the `calibrations` "
            "that `fit_configured_answer` returns."
        )
    given = fitted_calibrations(config, calibrations)
    faults = fusion_option_faults(config)
    if faults:
        raise ValueError("\n".join(faults.values()))
    weights = config.score_weights or {retrieval: 1.0}
    return make_score_fusion(
        config.score_fusion, weights, tuple(tasks), given, **config.fusion_options
    )


def fitted_calibrations(
    config: ExportConfig, calibrations: Mapping[str, Calibration] | None
) -> dict[str, Calibration]:
    """Returns the calibrations that were fitted.

    Raises:
        ValueError: If one that the configuration asks for is not given.
    """
    given = dict(calibrations or {})
    absent = [name for name in config.calibration if name not in given]
    if absent:
        raise ValueError(
            "`calibrations` must hold a calibration for each task of `ExportConfig.calibration`, "
            f"received none for {', '.join(map(repr, absent))}; fit them on the validation rows "
            "by `fit_calibrations`."
        )
    return given


def answer_tasks(schema: FeaturesAndTasks) -> dict[str, TaskSpec]:
    """Returns the tasks whose scores stand in an answer, by name: those of one number a pair."""
    retrieval = [each for each in schema.tasks if each.kind == "retrieval"]
    return {each.name: each for each in (*retrieval, *schema.single_tasks)}


def fusion_option_faults(config: ExportConfig) -> dict[str, str]:
    """Says which `fusion_options` the fusion of that name does not take.

    Args:
        config: Its `score_fusion` and `fusion_options`.

    Returns:
        A sentence by option; none where the fusion's own name is not known.
    """
    fusion = SCORE_FUSIONS.get(config.score_fusion)
    if fusion is None:
        return {}
    given = dict.fromkeys(("weights", "tasks", "calibrations"), "")
    return {
        option: fault
        for option in config.fusion_options
        for fault in option_faults("fusion_options", fusion, config.score_fusion, [option], given)
    }
