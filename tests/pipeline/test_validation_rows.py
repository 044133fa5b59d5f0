"""Weights are learned of the written rows as of the data that they were written of."""

import numpy as np
import pytest

from pipeline.training_rows import read_rows
from pipeline.validation_rows import WrittenValidationRows
from recsys_tf.config import AnswerGoal, ExportConfig
from recsys_tf.export import ServedRecommender, fit_configured_answer, validation_lists
from recsys_tf.features.tf_example import write_examples

pytestmark = pytest.mark.pipeline

CONFIG = ExportConfig(num_candidates=20, max_k=20, calibration={"click": "platt"})


@pytest.fixture(scope="module")
def written(small_data, tmp_path_factory):
    """The validation rows, written as the pipeline writes them: as they are served."""
    folder = tmp_path_factory.mktemp("validation")
    examples, schema = small_data.examples("validation"), small_data.schema
    write_examples(
        examples,
        small_data.catalogue,
        schema,
        folder,
        num_shards=2,
        is_target_masked=False,
        max_history=1000,
    )
    patterns = [str(folder / "examples-*")]
    rows = read_rows(patterns, schema, small_data.preprocessor)
    preparation = small_data.preprocessor, small_data.catalogue
    return WrittenValidationRows(patterns, rows, schema, *preparation, batch_size=64)


def test_candidates_are_those_of_the_data(trained, small_data, written):
    config = CONFIG.model_copy(update={"calibration": {}})
    served = ServedRecommender(trained[0], written.preprocessor, written.catalogue, config)
    ours = validation_lists(served, written, ["click", "watch"])
    theirs = validation_lists(served, small_data, ["click", "watch"])
    assert ours.mask.shape == theirs.mask.shape
    # Users come in another order.
    order, other = (np.argsort(each.predictions["watch"][:, 0]) for each in (ours, theirs))
    for task in ("watch", "click", "rating"):
        np.testing.assert_allclose(
            ours.predictions[task][order], theirs.predictions[task][other], rtol=1e-4, atol=1e-5
        )
    for task in ("click", "watch"):
        found = ours.num_relevant(task)
        np.testing.assert_array_equal(found[order], theirs.num_relevant(task)[other])
        assert found.sum() > 0


def test_weights_and_calibrations_are_those_of_the_data(trained, small_data, written):
    goal = AnswerGoal(task="click", k=5, floors={"watch": 0.01})
    config = CONFIG.model_copy(update={"goal": goal})
    ours = fit_configured_answer(trained[0], written, config)
    theirs = fit_configured_answer(trained[0], small_data, config)
    best = [each.trials.loc[each.best_trial, "ndcg_click"] for each in (ours, theirs)]
    assert best[0] == pytest.approx(best[1], abs=0.01)
    # The first trials are the same mixtures, measured on the same requests.
    np.testing.assert_allclose(
        ours.trials["ndcg_watch"][:7], theirs.trials["ndcg_watch"][:7], atol=2e-3
    )
    curves = [dict(each.calibrations["click"].whole) for each in (ours, theirs)]
    assert curves[0] == pytest.approx(curves[1], rel=1e-3, abs=1e-4)
