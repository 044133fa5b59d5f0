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
    TensorSpec,
    as_array,
    column,
    neutral_column,
    rank,
    read_signature,
    unknown_name,
)

_STATES = {0: "UNKNOWN", 10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}
_SIGNATURE = "recommend"
_STRING, _K = tensors.STRING, "k"


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
            is a list.

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
            context: further inputs by name: one value for all users, or ``B`` of them; also
                ``diversity`` and ``max_per_category`` where the model was exported with a
                reranker. What is left out is sent as missing ("", NaN or -1), unless the
                signature has a default for it, as it has for these two: switched off.
            k: how many items; one number or ``B``.

        Returns:
            One ``Recommendation`` a user, in order.

        Raises:
            ServingError: from the server; INVALID_ARGUMENT for a name it does not have, with
                the nearest known ones, or for lengths that do not agree.
        """
        if not user_ids:
            return []
        try:
            return self._recommend(user_ids, histories, context or {}, k)
        except ServingError as error:
            # A new version may have other inputs than the ones remembered: look once more.
            before, self._signatures = self._signatures, None
            stale = error.code in {"INVALID_ARGUMENT", "FAILED_PRECONDITION"}
            if before is None or not stale or self.metadata() == before:
                raise
        return self._recommend(user_ids, histories, context or {}, k)

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
        if self._signatures is None:
            request = wire.GetModelMetadataRequest(metadata_field=["signature_def"])
            self._fill_spec(request.model_spec)
            response = self._channel.call("GetModelMetadata", request)
            packed = response.metadata["signature_def"].value
            parsed = wire.SignatureDefMap.FromString(packed).signature_def
            self._signatures = {name: read_signature(parsed[name]) for name in parsed}
        return self._signatures

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
        user_ids: Sequence[str],
        histories: Sequence[Sequence[str]] | None,
        context: Mapping[str, Any],
        k: int | Sequence[int],
    ) -> list[Recommendation]:
        signatures = self.metadata()
        if _SIGNATURE not in signatures:
            raise unknown_name("signature", _SIGNATURE, signatures)
        specs = signatures[_SIGNATURE].inputs
        size = len(user_ids)
        given: dict[str, Any] = {**self._user_id_column(specs, user_ids), **context}
        if histories is not None:
            given[self._history_name(specs)] = _padded(histories, size)
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

    def _user_id_column(
        self, specs: Mapping[str, TensorSpec], user_ids: Sequence[str]
    ) -> dict[str, list[str]]:
        # A model that knows users by their histories alone takes no id.
        if self._user_id_input is None and not any(
            spec.dtype == "string" and rank(spec) < 2 for spec in specs.values()
        ):
            return {}
        return {self._user_id_name(specs): list(user_ids)}

    def _user_id_name(self, specs: Mapping[str, TensorSpec]) -> str:
        names = [name for name, spec in specs.items() if spec.dtype == "string" and rank(spec) < 2]
        named = [name for name in names if name.lower() in {"user_id", "userid", "user", "uid"}]
        named = named or [name for name in names if "user" in name.lower()] or names
        return _the_one(self._user_id_input, named, "user_id_input", "the user id")

    def _history_name(self, specs: Mapping[str, TensorSpec]) -> str:
        lists = [n for n, spec in specs.items() if spec.dtype == "string" and rank(spec) == 2]
        named = [name for name in lists if "history" in name.lower()] or lists
        return _the_one(self._history_input, named, "history_input", "the history")


def _the_one(told: str | None, found: list[str], argument: str, what: str) -> str:
    if told is not None:
        return told
    if len(found) == 1:
        return found[0]
    candidates = ", ".join(sorted(found)) or "none"
    raise ServingError(
        "INVALID_ARGUMENT",
        f"cannot tell which input takes {what} (candidates: {candidates}); name it by "
        f"`{argument}` when making the client",
    )


def _padded(histories: Sequence[Sequence[str]], size: int) -> np.ndarray:
    if len(histories) != size:
        text = f"`histories` has {len(histories)} entries for {size} users; give one a user"
        raise ServingError("INVALID_ARGUMENT", text)
    # At least one column: a model may not take lists of length nought.
    table = np.full((size, max(1, *map(len, histories), 1)), "", dtype=object)
    for row, history in zip(table, histories, strict=True):
        row[: len(history)] = list(history)
    return table


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
