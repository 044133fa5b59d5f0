import doctest
import importlib

import pytest

MODULES = ["", ".mmoe", ".shared_bottom", ".task_names"]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_print_what_they_show(name):
    result = doctest.testmod(importlib.import_module(f"recsys_tf.multitask{name}"))
    assert result.failed == 0
    assert result.attempted > 0
