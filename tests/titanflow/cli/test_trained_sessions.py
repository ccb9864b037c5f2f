"""Sessions of trained models as their users see them: standings with stages, faults, the operator's word, the proof."""

from pathlib import Path
from typing import Any

import pytest

from support.trained_session import RULE, champion, learned
from titanflow.embedded.redis import redis_server
from titanflow.models.deposit import model_key
from titanflow.runtime.ledgers import connect

from .conftest import CommandLine

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def models(cli: CommandLine) -> dict[str, str]:
    """A champion with a parent, and one whose artefact was cut short."""
    parent = champion(cli.home, name="sound")
    sound = champion(cli.home, name="sound", seed=8, parent=parent)
    torn = champion(cli.home, name="torn", seed=9)
    (cli.home / "models" / torn / "model.txt").write_bytes(b"tree")
    return {"parent": parent, "sound": sound, "torn": torn}


@pytest.fixture(scope="module")
def contenders(cli: CommandLine, models: dict[str, str]) -> Path:
    path = cli.home / "trained.toml"
    path.write_text("\n".join([RULE, learned("sound"), learned("torn")]))
    return path


@pytest.fixture(scope="module")
def trained(cli: CommandLine, tape: Path, contenders: Path) -> Any:
    """What a backtest of them said."""
    return cli.json("backtest", tape, "--contenders", contenders, "--session", "trained")


def test_a_backtest_shows_stages_and_says_who_is_faulty_and_why(
    trained: Any, cli: CommandLine, tape: Path, contenders: Path
) -> None:
    assert {standing["contender"]: standing["stage"] for standing in trained["leaderboard"]} == {
        "rule": "rule", "sound": "champion", "torn": "faulty",
    }  # fmt: skip
    assert "model.txt is truncated" in trained["faults"]["torn"]
    assert trained["withheld"] == 0
    text = cli.good("backtest", tape, "--contenders", contenders)
    assert "torn is faulty and does not compete" in text
    assert all(stage in text for stage in ("champion", "faulty"))


def test_an_opening_warns_of_a_model_whose_entries_risk_will_deny(
    models: dict[str, str], cli: CommandLine, tape: Path, contenders: Path
) -> None:
    done = cli("backtest", tape, "--contenders", contenders, "--set", "risk.min_confidence=0.99")
    assert done.returncode == 0
    assert "risk denies entries less sure than risk.min_confidence" in done.stderr
    said = "buys from a probability of 0.5000 on, but risk.min_confidence = 0.99 denies every entry less sure than that"
    assert f"sound {said}" in done.stdout
    assert f"torn {said}" not in done.stdout, "a faulty contender asks for nothing"


def test_standings_and_status_show_it_later(trained: Any, cli: CommandLine) -> None:
    standings = cli.json("leaderboard", "trained")["standings"]
    assert {standing["contender"]: standing["stage"] for standing in standings}["torn"] == "faulty"
    assert "champion" in cli.good("leaderboard", "trained")
    status = cli.json("status", "trained")
    assert "truncated" in status["faults"]["torn"]
    text = cli.good("status", "trained")
    assert "torn is faulty" in text
    assert "torn faulty" in text
    assert "torn active" not in text


def test_a_replay_says_which_comparison_it_made_and_why(trained: Any, cli: CommandLine) -> None:
    verdict = cli.json("replay", "trained")
    assert verdict["identical"] is True
    assert verdict["comparison"] == "byte for byte"
    assert "libraries" in verdict["reason"]
    assert f"compared   byte for byte: {verdict['reason']}" in cli.good("replay", "trained")


def test_a_replay_without_a_model_names_it_and_exits_with_6(
    trained: Any, cli: CommandLine, models: dict[str, str]
) -> None:
    client = connect(redis_server(cli.home).start())
    kept = client.dump(model_key(models["sound"]))
    folder = cli.home / "models" / models["sound"]
    client.delete(model_key(models["sound"]))
    folder.rename(folder.with_suffix(".away"))
    try:
        done = cli("replay", "trained")
    finally:
        folder.with_suffix(".away").rename(folder)
        client.restore(model_key(models["sound"]), 0, kept)
    assert done.returncode == 6
    assert models["sound"] in done.stderr


def test_use_parent_is_refused_where_there_is_none_or_the_session_has_ended(trained: Any, cli: CommandLine) -> None:
    done = cli("use-parent", "sound", "--session", "trained")
    assert done.returncode == 5
    assert "has ended" in done.stderr


def test_a_model_that_there_is_not_is_named(cli: CommandLine, tape: Path) -> None:
    path = cli.home / "nobody.toml"
    path.write_text(RULE + learned("nobody"))
    done = cli("backtest", tape, "--contenders", path)
    assert done.returncode == 2
    assert "contender nobody: model is 'nobody'" in done.stderr
