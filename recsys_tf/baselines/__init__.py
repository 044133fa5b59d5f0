"""Simple models that a recommender is measured against."""

from recsys_tf.baselines.baseline import NEW_USER, Baseline, RatingBaseline
from recsys_tf.baselines.bias import Bias
from recsys_tf.baselines.bpr import BPR
from recsys_tf.baselines.ease import EASE
from recsys_tf.baselines.implicit_als import ImplicitALS
from recsys_tf.baselines.item_knn import ItemKNN
from recsys_tf.baselines.popularity import Popularity

BASELINES: dict[str, type[Baseline]] = {
    "popularity": Popularity,
    "bias": Bias,
    "item_knn": ItemKNN,
    "ease": EASE,
    "implicit_als": ImplicitALS,
    "bpr": BPR,
}
"""Baselines by name; all construct without arguments."""

__all__ = [
    "BASELINES",
    "BPR",
    "EASE",
    "NEW_USER",
    "Baseline",
    "Bias",
    "ImplicitALS",
    "ItemKNN",
    "Popularity",
    "RatingBaseline",
]
