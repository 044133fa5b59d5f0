"""The server one writes first, for comparison only: TF2 signatures behind plain gRPC.

It answers Predict and GetModelMetadata for one version, with TensorFlow's own conversions, one
thread pool, and none of the limits of ``serving.server``. Do not deploy it.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent import futures
from typing import Any

import grpc
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)


class NaiveServicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Calls ``loaded.signatures[name](**tensors)``.

    Args:
        path: a version folder.
    """

    def __init__(self, path: str) -> None:
        self._model = tf.saved_model.load(path)
        with open(os.path.join(path, "saved_model.pb"), "rb") as file:
            meta_graph = saved_model_pb2.SavedModel.FromString(file.read()).meta_graphs[0]
        self._signature_defs = meta_graph.signature_def

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Answers a PredictRequest."""
        name = request.model_spec.signature_name or "serving_default"
        inputs = {key: tf.make_ndarray(proto) for key, proto in request.inputs.items()}
        arguments = {key: tf.constant(array) for key, array in inputs.items()}
        response = predict_pb2.PredictResponse()
        for key, value in self._model.signatures[name](**arguments).items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        return response

    def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answers a GetModelMetadataRequest."""
        signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=self._signature_defs)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.metadata["signature_def"].Pack(signatures)
        return response


def main() -> None:
    """Serves the newest version until it is killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--model_name")
    parser.add_argument("--model_base_path", required=True)
    options = parser.parse_args()
    base = options.model_base_path
    newest = max((name for name in os.listdir(base) if name.isdigit()), key=int)
    server = grpc.server(futures.ThreadPoolExecutor(8))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        NaiveServicer(os.path.join(base, newest)), server
    )
    port = server.add_insecure_port(f"127.0.0.1:{options.port}")
    server.start()
    sys.stderr.write(f"listening: gRPC 127.0.0.1:{port}\n")
    sys.stderr.flush()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
