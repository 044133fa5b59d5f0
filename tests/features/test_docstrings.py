from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import recsys_tf.features

MODULES = [each.name for each in pkgutil.iter_modules(recsys_tf.features.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_print_what_they_show(name):
    if name == "wordpiece":
        pytest.importorskip("tensorflow_text")
    assert doctest.testmod(importlib.import_module(f"recsys_tf.features.{name}")).failed == 0
