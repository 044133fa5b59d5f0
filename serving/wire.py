"""TensorFlow Serving's messages, declared here so that a client needs no TensorFlow.

``tensorflow_serving.apis.predict_pb2`` imports ``tensorflow.core.framework``, hence all of
TensorFlow: 10 to 20 seconds and 500 MB for a process that only sends arrays. The few messages
a client uses are declared below with TensorFlow Serving's own field numbers, in a descriptor
pool of their own, so that a process may load the real ones too. A test compares every field
with the real messages. Enumerations are declared as int32, which is the same on the wire.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS: dict[str, int] = {
    "bool": _FIELD.TYPE_BOOL,
    "bytes": _FIELD.TYPE_BYTES,
    "double": _FIELD.TYPE_DOUBLE,
    "float": _FIELD.TYPE_FLOAT,
    "int32": _FIELD.TYPE_INT32,
    "int64": _FIELD.TYPE_INT64,
    "string": _FIELD.TYPE_STRING,
    "uint32": _FIELD.TYPE_UINT32,
    "uint64": _FIELD.TYPE_UINT64,
}

# package -> message -> fields, each "number name [repeated|map] type".
MESSAGES: dict[str, dict[str, tuple[str, ...]]] = {
    "tensorflow": {
        "TensorShapeProto": ("2 dim repeated .tensorflow.TensorDim", "3 unknown_rank bool"),
        "TensorDim": ("1 size int64", "2 name string"),
        "TensorProto": (
            "1 dtype int32",
            "2 tensor_shape .tensorflow.TensorShapeProto",
            "4 tensor_content bytes",
            "5 float_val repeated float",
            "6 double_val repeated double",
            "7 int_val repeated int32",
            "8 string_val repeated bytes",
            "10 int64_val repeated int64",
            "11 bool_val repeated bool",
            "13 half_val repeated int32",
            "16 uint32_val repeated uint32",
            "17 uint64_val repeated uint64",
        ),
        "TensorInfo": (
            "1 name string",
            "2 dtype int32",
            "3 tensor_shape .tensorflow.TensorShapeProto",
        ),
        "SignatureDef": (
            "1 inputs map .tensorflow.TensorInfo",
            "2 outputs map .tensorflow.TensorInfo",
            "3 method_name string",
            "4 defaults map .tensorflow.TensorProto",
        ),
    },
    "tensorflow.serving": {
        "ModelSpec": (
            "1 name string",
            "2 version .google.protobuf.Int64Value",
            "3 signature_name string",
            "4 version_label string",
        ),
        "PredictRequest": (
            "1 model_spec .tensorflow.serving.ModelSpec",
            "2 inputs map .tensorflow.TensorProto",
            "3 output_filter repeated string",
        ),
        "PredictResponse": (
            "1 outputs map .tensorflow.TensorProto",
            "2 model_spec .tensorflow.serving.ModelSpec",
        ),
        "SignatureDefMap": ("1 signature_def map .tensorflow.SignatureDef",),
        "GetModelMetadataRequest": (
            "1 model_spec .tensorflow.serving.ModelSpec",
            "2 metadata_field repeated string",
        ),
        "GetModelMetadataResponse": (
            "1 model_spec .tensorflow.serving.ModelSpec",
            "2 metadata map .google.protobuf.Any",
        ),
        "GetModelStatusRequest": ("1 model_spec .tensorflow.serving.ModelSpec",),
        "StatusProto": ("1 error_code int32", "2 error_message string"),
        "ModelVersionStatus": (
            "1 version int64",
            "2 state int32",
            "3 status .tensorflow.serving.StatusProto",
        ),
        "GetModelStatusResponse": (
            "1 model_version_status repeated .tensorflow.serving.ModelVersionStatus",
        ),
    },
    "grpc.health.v1": {
        "HealthCheckRequest": ("1 service string",),
        "HealthCheckResponse": ("1 status int32",),
    },
}


def _add_field(message: Any, package: str, line: str) -> None:
    number, name, *label, type_name = line.split()
    field = message.field.add(name=name, number=int(number), label=_FIELD.LABEL_OPTIONAL)
    if label == ["map"]:
        # A map is a repeated nested message {key = 1, value = 2} on the wire.
        entry = message.nested_type.add(name=_camel(name) + "Entry")
        entry.options.map_entry = True
        _add_field(entry, package, "1 key string")
        _add_field(entry, package, f"2 value {type_name}")
        type_name = f".{package}.{message.name}.{entry.name}"
    if label:
        field.label = _FIELD.LABEL_REPEATED
    if type_name in _SCALARS:
        field.type = _SCALARS[type_name]
    else:
        field.type, field.type_name = _FIELD.TYPE_MESSAGE, type_name


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _build() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    known = []
    for module in (any_pb2, wrappers_pb2):
        file = descriptor_pb2.FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)
        pool.Add(file)
        known.append(file.name)
    for package, messages in MESSAGES.items():
        file = descriptor_pb2.FileDescriptorProto(
            name=f"serving/wire/{package}.proto", package=package, syntax="proto3", dependency=known
        )
        for name, lines in messages.items():
            message = file.message_type.add(name=name)
            for line in lines:
                _add_field(message, package, line)
        pool.Add(file)
        known.append(file.name)
    return {
        name: _message_class(pool.FindMessageTypeByName(f"{package}.{name}"))
        for package, messages in MESSAGES.items()
        for name in messages
    }


def _message_class(descriptor: Any) -> Any:
    # protobuf 3.20 (TensorFlow 2.16) knows only the factory object, 5 and later only the function.
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory().GetPrototype(descriptor)


_CLASSES = _build()
TensorProto: Any = _CLASSES["TensorProto"]
SignatureDefMap: Any = _CLASSES["SignatureDefMap"]
PredictRequest: Any = _CLASSES["PredictRequest"]
PredictResponse: Any = _CLASSES["PredictResponse"]
GetModelMetadataRequest: Any = _CLASSES["GetModelMetadataRequest"]
GetModelMetadataResponse: Any = _CLASSES["GetModelMetadataResponse"]
GetModelStatusRequest: Any = _CLASSES["GetModelStatusRequest"]
GetModelStatusResponse: Any = _CLASSES["GetModelStatusResponse"]
HealthCheckRequest: Any = _CLASSES["HealthCheckRequest"]
HealthCheckResponse: Any = _CLASSES["HealthCheckResponse"]
