"""What the docs show is run."""

import doctest
import importlib
import os
import pkgutil
import re
from pathlib import Path

import pytest

import recsys_tf
from recsys_tf.crosses import CROSSES
from recsys_tf.encoders import FUSIONS, HISTORY_ENCODERS, ID_TABLES
from recsys_tf.models.chains import CHAINS
from recsys_tf.multiscenario import SCENARIO_BLOCKS
from recsys_tf.multitask import MULTITASK_BLOCKS
from recsys_tf.optimizers import TABLE_OPTIMIZERS
from recsys_tf.reranking import RERANKERS
from recsys_tf.score_fusion import SCORE_FUSIONS
from recsys_tf.sequences import SEQUENCE_ENCODERS
from recsys_tf.target_attention import TARGET_ATTENTIONS
from recsys_tf.tasks import RETRIEVAL_LOSSES
from recsys_tf.weighting import WEIGHTINGS

README = Path(__file__).parents[2] / "README.md"
PAGES = [README, *sorted((README.parent / "docs").glob("*.md"))]
MODULES = sorted(
    each.name
    for each in pkgutil.walk_packages(recsys_tf.__path__, "recsys_tf.")
    if not each.name.endswith("__main__")
)

TABLES = (CROSSES, MULTITASK_BLOCKS, SCENARIO_BLOCKS, WEIGHTINGS, SCORE_FUSIONS)
TABLES += (SEQUENCE_ENCODERS, TARGET_ATTENTIONS, ID_TABLES)
BLOCKS = sorted({each for table in TABLES for each in table.values()}, key=lambda b: b.__name__)
BLOCKS += list(RERANKERS.values())


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name):
    results = doctest.testmod(
        importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert results.failed == 0


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
def test_docstring_of_a_block_shows_its_use_and_names_its_source(block):
    assert ">>>" in block.__doc__
    assert "Source:" in block.__doc__


@pytest.mark.slow
@pytest.mark.checkout
@pytest.mark.parametrize(
    ("place", "left"),
    [
        (0, ["models/recommender/1/saved_model.pb"]),
        (1, ["models/ranker/1/saved_model.pb"]),
        (2, ["models/sequences/1/saved_model.pb"]),
    ],
)
def test_code_in_the_readme_runs(place, left, tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 3
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks[place], str(README), "exec"), {})
    assert [name for name in left if not (tmp_path / name).is_file()] == []


@pytest.mark.checkout
@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("model.history_encoder", HISTORY_ENCODERS),
        ("model.id_tables", ID_TABLES),
        ("model.target_attention", TARGET_ATTENTIONS),
        ("model.fusion", FUSIONS),
        ("model.cross", CROSSES),
        ("model.multiscenario", SCENARIO_BLOCKS),
        ("model.multitask", MULTITASK_BLOCKS),
        ("model.chain", CHAINS),
        ("retrieval.loss", RETRIEVAL_LOSSES),
        ("sequence.encoder", SEQUENCE_ENCODERS),
        ("training.weighting", WEIGHTINGS),
        ("training.table_optimizer", TABLE_OPTIMIZERS),
    ],
)
def test_readme_names_every_block(field, names):
    row = re.search(rf"^\| `{field}` \| (.*) \|$", README.read_text(encoding="utf-8"), re.M)
    assert row is not None
    assert set(re.findall(r"`(\w+)`", row[1])) == set(names)


def _anchors(page):
    """Places that a link may name: GitHub's form of the headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.checkout
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_to_files_and_headings(page):
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8"))
    assert links
    for path, anchor in links:
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in _anchors(target), anchor


@pytest.mark.checkout
def test_every_room_in_the_readme_exists():
    text = README.read_text(encoding="utf-8")
    table = text[text.index("| room |") : text.index("Symbols in docstrings")]
    for row in re.findall(r"^\| (`[^|]+) \|", table, re.M):
        names = re.findall(r"`([^`]+)`", row)
        folder = os.path.dirname(names[0]) if names[0].endswith(".py") else ""
        first_room = names[0].split("/")[0]
        for name in names:
            places = (name, f"{folder}/{name}", f"{first_room}/{name}")
            assert any((README.parent / place).exists() for place in places), name


@pytest.mark.checkout
def test_every_script_in_the_readme_exists():
    text = README.read_text(encoding="utf-8")
    table = text[text.index("| script |") : text.index("## The command line")]
    scripts = re.findall(r"^\| `(\S+\.py)", table, re.M)
    assert scripts
    for script in scripts:
        assert (README.parent / "benchmarks" / script).is_file(), script
