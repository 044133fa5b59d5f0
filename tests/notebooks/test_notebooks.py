"""The notebooks run, are kept with their outputs, and use public names only."""

import ast
import os
import shutil
from pathlib import Path

import pytest

import recsys_tf

nbformat = pytest.importorskip("nbformat", reason="needs the extra `notebooks`")
nbclient = pytest.importorskip("nbclient", reason="needs the extra `notebooks`")

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
pytestmark = [
    pytest.mark.checkout,
    pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem),
]
# Pictures as well: a reader on a slow line, and every clone, pays for it.
MAX_BYTES = 400_000


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def is_private(name):
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def names_in(source):
    """Names that a cell imports, and attributes that it reads."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (part for alias in node.names for part in alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module or "").split(".")
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield node.attr


def test_notebook_is_kept_with_the_outputs_of_one_run(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert [cell.source for cell in cells if not cell.outputs] == []
    assert path.stat().st_size < MAX_BYTES


# Run after the last cell, with the notebook's own variables.
CHECKS = {
    # Of the way from knowing nothing to the planted truth; kept well below what was reached.
    "01_quickstart": """
least = {"click/auc": 0.5, "like/auc": 0.45, "rating/rmse": 0.2, "watch/ndcg_at_10": 0.25}
assert {name: value for name, value in least.items() if share[name] < value} == {}, share
assert table["model"]["watch/ndcg_at_10"] > table["popularity"]["watch/ndcg_at_10"]
assert table["model"]["watch/hit_at_10"] > table["popularity"]["watch/hit_at_10"]
print("reached")
""",
    # One seed of small models: the floors lie far below what was reached.
    "02_combinations": """
six = comparison.loc[list(combinations)]
assert (six <= comparison.loc["planted optimum"] + 0.02).all(axis=None), six
assert len(six) == 6 and (six["task"] > 0.62).all(axis=None), six
with_scenario = comparison.loc["mmoe + star + dcn_v2", ("scenario", "mail")]
assert with_scenario > 0.68, with_scenario
assert auc(labels["click"], scores["own block"]["click"]) > 0.62
assert all(np.array_equal(before[name], after[name]) for name in labels)
print("reached")
""",
    # A few epochs; popularity has .037.
    "03_sequences": """
found = comparison["hit_rate_at_10"]
assert found["sequences"] > 2 * found["popularity"], found
assert len(cases) == 5 and len(reasons) == 5
print("reached")
""",
}
# Notebooks on real data, which are run where they lie.
REAL_DATA = {"03_sequences": "ml-1m"}


def test_notebook_uses_public_names_only(path):
    private = [name for cell in code_cells(path) for name in names_in(cell.source)]
    assert [name for name in private if is_private(name)] == []


def test_kept_outputs_hold_no_error_and_no_noise(path):
    outputs = [output for cell in code_cells(path) for output in cell.outputs]
    assert [each for each in outputs if each.output_type == "error"] == []
    assert [each.text for each in outputs if each.get("name") == "stderr"] == []


@pytest.mark.slow
def test_notebook_runs(path, tmp_path, monkeypatch, real_folder):
    if path.stem in REAL_DATA:
        folder = real_folder(REAL_DATA[path.stem])
        monkeypatch.setenv("RECSYS_DATA_DIR", str(folder.parent.resolve()))
    notebook = nbformat.read(shutil.copy(path, tmp_path), as_version=4)
    check = CHECKS.get(path.stem)
    if check is not None:
        notebook.cells.append(nbformat.v4.new_code_cell(check))
    # The package under test, also where it is not installed.
    package = str(Path(recsys_tf.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([package, *_paths()]))
    # Raises CellExecutionError, with the cell and its traceback, at the first error.
    nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    ran = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in ran for output in cell.outputs]
    assert [each for each in outputs if each.output_type == "error"] == []
    assert all(cell.outputs for cell in ran)


def test_private_names_are_found(path):
    assert [
        name
        for name in names_in("from recsys_tf._x import y\na._b\na.__version__")
        if is_private(name)
    ] == ["_x", "_b"]


def _paths():
    return [path for path in [os.environ.get("PYTHONPATH")] if path]
