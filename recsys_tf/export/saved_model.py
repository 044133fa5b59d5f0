"""Writes the SavedModel that TensorFlow Serving and the local server answer from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recsys_tf.export.answer_fitting import AnswerFit
from recsys_tf.export.served_recommender import ServedRecommender
from recsys_tf.export.warm_up import write_warm_up
from recsys_tf.export.writing import (
    examples_signature,
    no_wishes,
    recommend_signature,
    traced_signature,
    write_saved_model,
    write_told,
)
from recsys_tf.score_fusion import score_fusion_to_dict
from recsys_tf.types import Tensor


def export_saved_model(
    served: ServedRecommender,
    folder: str | Path,
    *,
    example_signatures: Mapping[str, Callable[[Tensor], dict[str, Tensor]]] | None = None,
    answer_fit: AnswerFit | None = None,
) -> Path:
    """Writes a SavedModel, whole or not at all.

    Its signatures: `serving_default` takes serialised `tf.Example`s (`examples`, string `[B]`)
    and gives each task's prediction; `rank` takes raw features of both sides; `recommend` takes
    raw features of the query, `k`, and `diversity` and `max_per_category` where the configuration
    names a reranker and a category; `evaluate` takes serialised examples and adds the row metrics
    of retrieval. See `ServedRecommender` for shapes. Beside the graph, `assets.extra` holds
    `schema.yaml` and `score_fusion.json`: the fusion with its weights and fitted calibrations,
    which `score_fusion_from_dict` reads; and the request that servers warm up with.

    A request by gRPC may leave `diversity` and `max_per_category` out: `SignatureDef.defaults`
    holds 0, no wish, for them. REST, and a signature that `tf.saved_model.load` gives, want every
    input.

    Args:
        served: What is to be answered from.
        folder: Where the SavedModel goes; must not exist or be empty.
        example_signatures: Further signatures by name: functions of serialised `tf.Example`s,
            string `[B]`, that give tensors by name.
        answer_fit: What `served` answers by; where its weights were learned for a goal,
            `assets.extra` also gets `answer_fit.json`: the goal, the weights and all that was
            tried.

    Returns:
        The folder.

    Raises:
        ValueError: If the folder holds something already.
        OSError: If it cannot be written; nothing is left behind.
    """

    def signatures() -> dict[str, Any]:
        own = _signatures(served)
        further = (example_signatures or {}).items()
        return {**own, **{name: examples_signature(function) for name, function in further}}

    def describe(extra: Path) -> None:
        served.schema.to_yaml(extra / "schema.yaml")
        write_told(extra, {"score_fusion.json": score_fusion_to_dict(served.fusion)})
        if answer_fit is not None and answer_fit.goal is not None:
            write_told(extra, {"answer_fit.json": answer_fit.to_dict()})
        wishes = served.wish_specs()
        inputs = {**served.raw_specs(has_items=False), **wishes}
        write_warm_up(extra, inputs, no_wishes(wishes))

    return write_saved_model(served, folder, signatures, describe)


def _signatures(served: ServedRecommender) -> dict[str, Any]:
    return {
        "serving_default": examples_signature(served.rank_examples),
        "rank": traced_signature(served.rank, served.raw_specs(has_items=True)),
        "recommend": recommend_signature(
            served.recommend, served.raw_specs(has_items=False), served.wish_specs()
        ),
        "evaluate": examples_signature(served.evaluate_examples),
    }
