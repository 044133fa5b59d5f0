import doctest
import importlib
import pkgutil

import pytest

import recsys_tf.baselines

MODULES = [each.name for each in pkgutil.iter_modules(recsys_tf.baselines.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_print_what_they_show(name):
    module = importlib.import_module(f"recsys_tf.baselines.{name}")
    assert doctest.testmod(module).failed == 0
