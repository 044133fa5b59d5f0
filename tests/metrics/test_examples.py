import doctest
import importlib
import pkgutil

import pytest

import recsys_tf.metrics

MODULES = [each.name for each in pkgutil.iter_modules(recsys_tf.metrics.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_print_what_they_show(name):
    module = importlib.import_module(f"recsys_tf.metrics.{name}")
    result = doctest.testmod(module)
    assert result.failed == 0
    assert result.attempted > 0
