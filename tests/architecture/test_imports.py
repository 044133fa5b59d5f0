"""Who may import whom. The rules are data; a new room in the package is one entry here."""

from __future__ import annotations

import fnmatch
import importlib
import importlib.util

import pytest
from import_reader import Import, imports, modules

# Imports go downward or stay on their level, and never round in a ring.
LEVELS = [
    {"types", "schema", "config", "disk", "naming", "presets", "spec"},
    {"layers", "losses", "weighting", "metrics", "optimizers"},
    # Made of layers, and tensors only as they are.
    {"sequences", "target_attention"},
    {"datasets", "features", "encoders"},
    {
        *("multitask", "multiscenario", "crosses", "heads", "tasks"),
        *("score_fusion", "retrieval", "reranking"),
    },
    {"models", "baselines", "preparation"},
    {"training", "self_checks", "evaluation", "explanation", "export", "step_profile"},
    {"cli"},
]
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
# Tensors only: these know nothing of each other.
STRANGERS = LEVELS[1]

TENSORFLOW = ["tensorflow", "tensorflow_*", "tf_keras", "keras", "keras_*"]
# (modules, what they do not import, but for)
FORBIDDEN = [
    *((f"recsys_tf.{room}*", TENSORFLOW, []) for room in sorted(LEVELS[0])),
    *(
        (f"recsys_tf.{room}*", ["tensorflow"], [])
        for room in (
            *("layers", "sequences", "target_attention", "weighting", "encoders"),
            *("multitask", "multiscenario", "crosses", "heads"),
        )
    ),
    # Only the command line starts a pipeline or a server.
    *(
        (f"recsys_tf.{room}*", ["pipeline", "serving"], [])
        for level in LEVELS[:-1]
        for room in sorted(level)
    ),
    ("serving*", ["pipeline"], []),
    # A client speaks protocol buffers; it must not bring a model along.
    *(
        (f"serving.{part}*", ["recsys_tf", "keras", "tf_keras", "tensorflow"], ["tensorflow.core"])
        for part in ("client", "channel", "wire", "errors", "signatures")
    ),
]
PACKAGES = ("recsys_tf", "pipeline", "serving")
# What an extra of setup.py brings: the only things to be imported where they are used.
OPTIONAL = [
    *("tfx", "tfx_bsl", "tensorflow_transform", "tensorflow_data_validation", "apache_beam"),
    *("tensorflow_model_analysis", "tensorflow_metadata", "ml_metadata", "pipeline", "serving"),
    *("keras_nlp", "keras_hub", "tensorflow_text", "sentencepiece", "safetensors"),
    *("google", "tensorflow_serving", "grpc", "aiohttp", "sklearn"),
    *("matplotlib", "psutil"),
]

# `--help` and a wrong option answer at once: a command loads TensorFlow when it runs, not before.
LATE = ["recsys_tf.cli"]

IMPORTS = {package: list(imports(package)) for package in PACKAGES}
MODULES = {name: path for package in PACKAGES for name, path in modules(package).items()}


def matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatch(name, p) or fnmatch.fnmatch(name, f"{p}.*") for p in patterns)


def room(module: str) -> str | None:
    """`recsys_tf.layers.cross` -> `layers`; None elsewhere and for the package's own top."""
    top, *parts = module.split(".")
    return parts[0] if top == "recsys_tf" and parts and not parts[0].startswith("__") else None


def room_imports() -> list[tuple[str, str | None, Import]]:
    """The imports of one room by another; a name out of the package's own top is no room."""
    pairs = [(room(found.module), room(found.target), found) for found in IMPORTS["recsys_tf"]]
    return [(mine, theirs, found) for mine, theirs, found in pairs if mine and theirs != mine]


def test_every_room_has_a_level():
    rooms = {room(module) for module in MODULES} - {None}
    assert sorted(rooms - set(LEVEL)) == [], "give the new room a level in LEVELS"


def test_imports_go_downward():
    upward = [
        str(found)
        for mine, theirs, found in room_imports()
        if theirs is not None and LEVEL.get(theirs, 99) > LEVEL.get(mine, 0)
    ]
    assert upward == []


def test_rooms_of_tensors_only_do_not_know_each_other():
    known = [str(f) for mine, theirs, f in room_imports() if {mine, theirs} <= STRANGERS]
    assert known == []


def test_rooms_do_not_import_each_other_in_a_ring():
    below: dict[str, set[str]] = {}
    for mine, theirs, _ in room_imports():
        if theirs is not None:
            below.setdefault(mine, set()).add(theirs)
    while leaves := {name for name in below if not below[name] & set(below)}:
        for name in leaves:
            del below[name]
    assert below == {}, "each of these imports, in the end, itself"


@pytest.mark.parametrize(
    ("importers", "forbidden", "allowed"),
    FORBIDDEN,
    ids=[f"{rule[0]}-{rule[1][0]}" for rule in FORBIDDEN],
)
def test_forbidden_imports(importers, forbidden, allowed):
    found = [
        str(written)
        for package in PACKAGES
        for written in IMPORTS[package]
        if matches(written.module, [importers])
        and matches(written.target, forbidden)
        and not matches(written.target, allowed)
    ]
    assert found == []


def test_only_optional_dependencies_are_imported_where_they_are_used():
    lazy = [
        str(written)
        for package in PACKAGES
        for written in IMPORTS[package]
        if written.is_lazy
        and not matches(written.target, OPTIONAL)
        and not matches(written.module, LATE)
    ]
    assert lazy == []


def test_no_folder_is_called_utils():
    assert [name for name in MODULES if {"util", "utils"} & set(name.split("."))] == []


def importable(name: str) -> bool:
    if name.endswith("__main__"):
        return False
    return not name.startswith("pipeline") or importlib.util.find_spec("tfx") is not None


@pytest.mark.parametrize("name", [name for name in MODULES if importable(name)])
def test_module_imports(name):
    importlib.import_module(name)
