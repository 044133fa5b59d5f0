import pytest

from pipeline.publishing import publish, versions
from recsys_tf.cli.export import newest_version


@pytest.fixture
def served(tmp_path):
    """A folder with two versions."""
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").write_text(name)
        publish(tmp_path / name, tmp_path / "served")
    return tmp_path / "served"


def test_the_newest_version_goes(call, served):
    good, bad = versions(served)
    result = call("withdraw", "--model-dir", served)
    assert result.exit_code == 0
    assert f"Version {bad} is withdrawn, the newest is {good} now." in result.stdout
    assert str(served / "withdrawn" / f"{bad}.json") in result.stdout
    assert list(versions(served)) == [good]


def test_the_only_version_goes_if_it_is_allowed(call, served):
    call("withdraw", "--model-dir", served)
    refused = call("withdraw", "--model-dir", served)
    assert refused.exit_code == 1
    assert "is the only one" in refused.stderr
    result = call("withdraw", "--model-dir", served, "--allow-empty")
    assert result.exit_code == 0
    assert "no version is left" in result.stdout


def test_a_version_that_is_not_there_is_wrong_usage(call, served, tmp_path):
    result = call("withdraw", "--model-dir", served, "--version", 7)
    assert result.exit_code == 2
    assert "`version` must be one of" in result.stderr
    assert call("withdraw", "--model-dir", tmp_path / "nowhere").exit_code == 2


def test_an_export_does_not_take_the_number_of_a_withdrawn_version(call, served):
    _, bad = versions(served)
    call("withdraw", "--model-dir", served)
    assert newest_version(served) == bad
