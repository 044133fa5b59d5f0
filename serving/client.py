"""Asks a model server for recommendations; the same code for the local server and the real one.

Needs NumPy, grpcio and protobuf only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from serving import tensors, wire
from serving.channel import Channel
from serving.errors import ServingError
from serving.signatures import (
    Signature,
    as_array,
    check_ids,
    column,
    find_history_input,
    find_user_id_input,
    history_table,
    neutral_column,
    read_signature,
    unknown_name,
)

_STATES = {0: "UNKNOWN", 10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}
_SIGNATURE = "recommend"
# Refusals whose reason may be a new version with other inputs than the ones remembered.
_STALE = frozenset(("INVALID_ARGUMENT", "FAILED_PRECONDITION"))
_K = "k"


@dataclass(frozen=True)
class Recommendation:
    """What one user is offered, best first.

    Attributes:
        user_id: as asked.
        item_ids: ``[K]`` strings; fewer than asked where the catalogue has no more.
        scores: ``[K]`` float32, the fused score that orders the list.
        task_scores: ``[K]`` float32 each, by the output's name.
        model_version: of the model that answered.
    """

    user_id: str
    item_ids: np.ndarray
    scores: np.ndarray
    task_scores: dict[str, np.ndarray]
    model_version: int


class VersionStatus(NamedTuple):
    """The state of one version: its number, a state's name, and an error text or ""."""

    version: int
    state: str
    error: str


class RecommenderClient:
    """A connection to one model of a model server; safe to share between threads.

    Args:
        target: ``host:port`` of the gRPC port.
        model_name: as the server was told.
        timeout_s: for each call with all its retries.
        max_retries: further attempts where the server could not be reached.
        version: ask exactly this version; None asks the newest.
        user_id_input: the signature's input that takes the user id. Found by itself where one
            input's name says so (``user_id``, ``user``, ...). A signature without any input for
            it is sent none: it knows users by their histories.
        history_input: the input that takes the history. Found by itself where one string input
            is a list, or the others' names begin with its own (``history``, ``history_actions``).

    Example:
        with RecommenderClient("127.0.0.1:8500") as client:
            for offer in client.recommend(["196"], [["242", "302"]], k=3):
                print(offer.user_id, offer.item_ids, offer.scores)
    """

    def __init__(
        self,
        target: str,
        model_name: str = "recommender",
        *,
        timeout_s: float = 5.0,
        max_retries: int = 2,
        version: int | None = None,
        user_id_input: str | None = None,
        history_input: str | None = None,
    ) -> None:
        self._channel = Channel(target, timeout_s=timeout_s, max_retries=max_retries)
        self._model_name = model_name
        self._version = version
        self._user_id_input = user_id_input
        self._history_input = history_input
        self._signatures: dict[str, Signature] | None = None

    def recommend(
        self,
        user_ids: Sequence[str],
        histories: Sequence[Sequence[str]] | None = None,
        context: Mapping[str, Any] | None = None,
        k: int | Sequence[int] = 10,
    ) -> list[Recommendation]:
        """Asks for the best items of each user; a hundred users in one call cost little more.

        Args:
            user_ids: ``B`` ids; unknown ones are welcome.
            histories: the items each user has met, oldest first; none by default.
            context: further inputs by name: one value for all users, or ``B`` of them, which may
                be lists of mixed lengths where the input takes lists; also ``diversity`` and
                ``max_per_category`` where the model was exported with a reranker. What is left
                out is sent as missing ("", NaN or -1), unless the signature has a default for it,
                as it has for these two: switched off.
            k: how many items; one number or ``B``.

        Returns:
            One ``Recommendation`` a user, in order.

        Raises:
            ServingError: from the server; INVALID_ARGUMENT for a name it does not have, with
                the nearest known ones, for lengths that do not agree, or for one string where
                a list of ids is meant.
        """
        check_ids("user_ids", user_ids)
        if len(user_ids) == 0:  # an array has no truth of its own
            return []
        table = None if histories is None else history_table(histories, len(user_ids))
        signatures = self.metadata()
        try:
            return self._recommend(signatures, user_ids, table, context or {}, k)
        except ServingError as error:
            if error.code not in _STALE:
                raise
            before, signatures = signatures, self._ask_signatures()
            if signatures == before:
                raise
        return self._recommend(signatures, user_ids, table, context or {}, k)

    def predict(
        self,
        signature: str,
        inputs: Mapping[str, Any],
        output_filter: Sequence[str] | None = None,
    ) -> dict[str, np.ndarray]:
        """Runs any signature.

        Args:
            signature: its name; ``""`` for ``serving_default``.
            inputs: arrays by name, sent as they are; lists and numbers take the input's dtype.
            output_filter: compute only these outputs; all by default.

        Returns:
            The outputs by name; strings as dtype object holding bytes.
        """
        plain = [name for name, value in inputs.items() if not isinstance(value, np.ndarray)]
        known = self.metadata().get(signature or "serving_default") if plain else None
        specs = known.inputs if known is not None else {}
        arrays = {
            name: as_array(name, value, specs[name]) if name in plain and name in specs else value
            for name, value in inputs.items()
        }
        return self._predict(signature, arrays, output_filter)[0]

    def status(self) -> list[VersionStatus]:
        """Lists every version the server knows, newest first."""
        request = wire.GetModelStatusRequest()
        self._fill_spec(request.model_spec)
        response = self._channel.call("GetModelStatus", request)
        return [
            VersionStatus(
                entry.version, _STATES.get(entry.state, "UNKNOWN"), entry.status.error_message
            )
            for entry in response.model_version_status
        ]

    def metadata(self) -> dict[str, Signature]:
        """Gives the signatures by name; asked once and then remembered."""
        # Another thread may put in others between two looks.
        signatures = self._signatures
        return self._ask_signatures() if signatures is None else signatures

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def __enter__(self) -> RecommenderClient:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _fill_spec(self, spec: Any) -> None:
        spec.name = self._model_name
        if self._version is not None:
            spec.version.value = self._version

    def _ask_signatures(self) -> dict[str, Signature]:
        request = wire.GetModelMetadataRequest(metadata_field=["signature_def"])
        self._fill_spec(request.model_spec)
        response = self._channel.call("GetModelMetadata", request)
        packed = response.metadata["signature_def"].value
        parsed = wire.SignatureDefMap.FromString(packed).signature_def
        signatures = {name: read_signature(parsed[name]) for name in parsed}
        self._signatures = signatures
        return signatures

    def _predict(
        self, signature: str, inputs: Mapping[str, Any], output_filter: Sequence[str] | None
    ) -> tuple[dict[str, np.ndarray], int]:
        request = wire.PredictRequest(output_filter=output_filter or ())
        self._fill_spec(request.model_spec)
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            try:
                tensors.fill_proto(request.inputs[name], np.asarray(value))
            except TypeError as error:
                raise ServingError("INVALID_ARGUMENT", f"input `{name}`: {error}") from None
        response = self._channel.call("Predict", request)
        outputs = {name: tensors.to_array(proto) for name, proto in response.outputs.items()}
        return outputs, response.model_spec.version.value

    def _recommend(
        self,
        signatures: Mapping[str, Signature],
        user_ids: Sequence[str],
        histories: np.ndarray | None,
        context: Mapping[str, Any],
        k: int | Sequence[int],
    ) -> list[Recommendation]:
        if _SIGNATURE not in signatures:
            raise unknown_name("signature", _SIGNATURE, signatures)
        specs = signatures[_SIGNATURE].inputs
        size = len(user_ids)
        user_id = find_user_id_input(specs, self._user_id_input)
        given: dict[str, Any] = {} if user_id is None else {user_id: list(user_ids)}
        given |= context
        if histories is not None:
            given[find_history_input(specs, self._history_input)] = histories
        if _K in specs:
            given[_K] = k
        for name in given:
            if name not in specs:
                raise unknown_name("input", name, specs)
        missing = set(specs) - set(given) - signatures[_SIGNATURE].optional
        inputs = {name: column(name, value, specs[name], size) for name, value in given.items()}
        inputs |= {name: neutral_column(specs[name], size) for name in missing}
        outputs, version = self._predict(_SIGNATURE, inputs, None)
        return _split(user_ids, outputs, version)


def _split(
    user_ids: Sequence[str], outputs: Mapping[str, np.ndarray], version: int
) -> list[Recommendation]:
    for name in ("item_ids", "scores"):
        if name not in outputs:
            raise unknown_name("output", name, outputs)
    items = outputs["item_ids"]
    offers = []
    for row, user_id in enumerate(user_ids):
        ids = np.array([item.decode("utf-8", "replace") for item in items[row]], dtype=np.str_)
        real = ids != ""  # an empty id fills the row up where there are fewer than K items
        scores = {
            name: array[row][real]
            for name, array in outputs.items()
            if name != "item_ids" and array.shape == items.shape
        }
        fused = scores.pop("scores")
        offers.append(Recommendation(user_id, ids[real], fused, scores, version))
    return offers
