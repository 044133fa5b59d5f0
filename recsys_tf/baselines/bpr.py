"""Matrix factorisation for the order of items, by the library `implicit`."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys_tf.baselines.baseline import Baseline
from recsys_tf.baselines.blas_threads import one_blas_thread
from recsys_tf.types import Array, IntArray


class BPR(Baseline):
    """Scores `s_ui = p_u . q_i + b_i`, fitted so that what the user had is above what it had not.

    Minimises `-sum ln sigmoid(s_ui - s_uj) + l2 (|p_u|^2 + |q_i|^2 + |q_j|^2 + b_i^2 + b_j^2)` by
    stochastic gradient steps, an event `(u, i)` and an item `j` that the user had not at a time.
    `j` is drawn by popularity, as the library does, not uniformly as in the paper. Only the
    presence of an entry counts. Choose `ImplicitALS` first: on MovieLens it is better and settles
    in fewer passes.

    Args:
        factors: Width of `p` and `q`.
        learning_rate: Length of a step.
        l2_regularization: The `l2` of the formula.
        num_iterations: Passes, each of as many steps as there are events.
        seed: Seed of the first factors and of the draws.
        num_threads: Threads of the library's own loop; 0 takes all cores. More than one share the
            factors without locks: two runs then differ in their last digits, so take 1 to repeat a
            result exactly.
        popularity_half_life_days: See `Baseline`.

    Raises:
        ValueError: If a number is below its least value.

    Source:
        Rendle, Freudenthaler, Gantner and Schmidt-Thieme (2009), BPR: Bayesian personalized
        ranking from implicit feedback, https://arxiv.org/abs/1205.2618, section 4.3.1; the
        solver is that of https://github.com/benfred/implicit.
    """

    def __init__(
        self,
        factors: int = 64,
        learning_rate: float = 0.01,
        l2_regularization: float = 0.003,
        num_iterations: int = 30,
        seed: int = 42,
        num_threads: int = 0,
        popularity_half_life_days: float | None = None,
    ) -> None:
        super().__init__(popularity_half_life_days)
        if factors < 1 or num_iterations < 1:
            raise ValueError(
                "`factors` and `num_iterations` must be at least 1, received "
                f"{factors} and {num_iterations}."
            )
        if not learning_rate > 0 or not l2_regularization >= 0:
            raise ValueError(
                "`learning_rate` must be above 0 and `l2_regularization` at least 0, received "
                f"{learning_rate} and {l2_regularization}."
            )
        self.factors = factors
        self.learning_rate = learning_rate
        self.l2_regularization = l2_regularization
        self.num_iterations = num_iterations
        self.seed = seed
        self.num_threads = num_threads

    def fit(
        self, interactions: sparse.csr_matrix, times: sparse.csr_matrix | None = None
    ) -> BPR:
        """Learns from the events; see `Baseline.fit`.

        Raises:
            ImportError: If the library `implicit` is not installed.
            ValueError: As `Baseline.fit`, or if the factors grow without bound.
        """
        return super().fit(interactions, times)

    def _fit(self, interactions: sparse.csr_matrix) -> None:
        with one_blas_thread():
            try:
                from implicit.cpu.bpr import BayesianPersonalizedRanking
                from implicit.recommender_base import ModelFitError
            except ImportError as error:
                raise ImportError(
                    "the baseline `bpr` needs the library `implicit`, which is not installed; "
                    "run: pip install 'recsys_tf[baselines]'"
                ) from error
            interactions.data[:] = 1.0
            model = BayesianPersonalizedRanking(
                factors=self.factors,
                learning_rate=self.learning_rate,
                regularization=self.l2_regularization,
                iterations=self.num_iterations,
                num_threads=self.num_threads,
                random_state=self.seed,
            )
            try:
                model.fit(interactions.astype(np.float32), show_progress=False)
            except ModelFitError as error:
                raise ValueError(
                    "`learning_rate` must not let the factors grow without bound, received "
                    f"{self.learning_rate}; take a smaller one."
                ) from error
        # The library's last column is 1 for users and the bias for items.
        self._user_factors = np.array(model.user_factors)
        self._item_factors = np.array(model.item_factors)
        # The library leaves items without an event at 0, which is above rare items: those were
        # drawn as negatives, these never. They are at most as good as the worst one.
        bias = self._item_factors[:, -1]
        bias[self._popularity == 0] = bias.min()

    def _scores(self, users: IntArray) -> Array:
        return self._user_factors[users] @ self._item_factors.T
