"""What a trained model is worth on held-out rows, by itself and beside baselines or another."""

from recsys_tf.evaluation.comparison import check_same_questions, compare, testable
from recsys_tf.evaluation.evaluating import evaluate, evaluate_baselines, evaluate_tasks
from recsys_tf.evaluation.measurements import (
    Measurements,
    Metrics,
    measure,
)
from recsys_tf.evaluation.ranking import (
    RankingProblem,
    candidate_embeddings,
    model_ranking,
    query_embeddings,
    ranking_problem,
)
from recsys_tf.evaluation.sequences import last_states, sequence_ranking, sequence_scores
from recsys_tf.evaluation.table_measurements import TableMeasurements, measure_table

__all__ = [
    "Measurements",
    "Metrics",
    "RankingProblem",
    "TableMeasurements",
    "candidate_embeddings",
    "check_same_questions",
    "compare",
    "evaluate",
    "evaluate_baselines",
    "evaluate_tasks",
    "last_states",
    "measure",
    "measure_table",
    "model_ranking",
    "query_embeddings",
    "ranking_problem",
    "sequence_ranking",
    "sequence_scores",
    "testable",
]
