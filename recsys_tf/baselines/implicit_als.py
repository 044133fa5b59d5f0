"""Matrix factorisation for implicit feedback, by the library `implicit`."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recsys_tf.baselines.baseline import Baseline
from recsys_tf.baselines.blas_threads import one_blas_thread
from recsys_tf.types import Array, IntArray


class ImplicitALS(Baseline):
    """Scores `p_u . q_i` with factors fitted to "had it" by weighted alternating least squares.

    Minimises `sum_ui c_ui (x_ui - p_u . q_i)^2 + l2 (|p|^2 + |q|^2)` over all pairs, where
    `x_ui` is 1 and `c_ui` is `confidence` for an event, 0 and 1 without one. Only the presence of
    an entry counts. The defaults did best on a validation part of ML-100K.

    Args:
        factors: Width of the factors.
        l2_regularization: The `l2` of the formula.
        confidence: Weight of an event against a pair without one.
        num_iterations: Alternations.
        seed: Seed of the first factors.
        num_threads: Threads of the library's own loop; 0 takes all cores.
        popularity_half_life_days: See `Baseline`.

    Raises:
        ValueError: If a number is below its least value.

    Source:
        Hu, Koren and Volinsky (2008), Collaborative filtering for implicit feedback datasets,
        https://doi.org/10.1109/ICDM.2008.22, equation 3; the solver is that of
        https://github.com/benfred/implicit (conjugate gradients, Takacs et al. 2011).
    """

    def __init__(
        self,
        factors: int = 32,
        l2_regularization: float = 30.0,
        confidence: float = 5.0,
        num_iterations: int = 15,
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
        if not l2_regularization >= 0 or not confidence > 0:
            raise ValueError(
                "`l2_regularization` must be at least 0 and `confidence` above 0, received "
                f"{l2_regularization} and {confidence}."
            )
        self.factors = factors
        self.l2_regularization = l2_regularization
        self.confidence = confidence
        self.num_iterations = num_iterations
        self.seed = seed
        self.num_threads = num_threads

    def fit(
        self, interactions: sparse.csr_matrix, times: sparse.csr_matrix | None = None
    ) -> ImplicitALS:
        """Learns from the events; see `Baseline.fit`.

        Raises:
            ImportError: If the library `implicit` is not installed.
        """
        return super().fit(interactions, times)

    def _fit(self, interactions: sparse.csr_matrix) -> None:
        with one_blas_thread():
            try:
                from implicit.cpu.als import AlternatingLeastSquares
            except ImportError as error:
                raise ImportError(
                    "the baseline `implicit_als` needs the library `implicit`, which is not "
                    "installed; run: pip install 'recsys_tf[baselines]'"
                ) from error
            interactions.data[:] = self.confidence
            model = AlternatingLeastSquares(
                factors=self.factors,
                regularization=self.l2_regularization,
                alpha=1.0,
                iterations=self.num_iterations,
                num_threads=self.num_threads,
                random_state=self.seed,
            )
            model.fit(interactions.astype(np.float32), show_progress=False)
        self._user_factors = np.asarray(model.user_factors)
        self._item_factors = np.asarray(model.item_factors)

    def _scores(self, users: IntArray) -> Array:
        return self._user_factors[users] @ self._item_factors.T
