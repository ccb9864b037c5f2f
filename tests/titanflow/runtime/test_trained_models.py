"""Trained models in a session: opened, deposited, asked, killed and resumed, replayed; damaged before and after."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from eventstore.ledger import Move
from eventstore.sessions import Sessions
from replay.verify import verify
from support.short_session import events_of
from support.tiny_models import tiny_model_files
from support.trained_session import champion, learned, trained_settings
from support.waiting import PATIENCE_S
from titanflow.domain.events import Event, LeaderboardPublished, ModelReplaced, SessionStarted, SignalGenerated
from titanflow.domain.types import OperatorAction
from titanflow.errors import InputError, ModelError, ModelMissingError
from titanflow.models.deposit import model_key
from titanflow.models.registry import Registry
from titanflow.runtime.fused_run import FusedRun
from titanflow.runtime.ledgers import CODEC, EventLedger, new_ledger
from titanflow.runtime.operator_desk import command
from titanflow.runtime.processor import Processor
from titanflow.runtime.session_models import models_of, serving_here
from titanflow.runtime.session_run import OpenedRun, open_run

REPOSITORY = Path(__file__).resolve().parents[3]
Open = Callable[..., OpenedRun]


@pytest.fixture
def opened(redis_url: str, tmp_path: Path, brief_tape: Path) -> Open:
    """Opens a fused session of a rule and these contenders."""
    return lambda *contenders, **changes: open_run(
        trained_settings(tmp_path, brief_tape, *contenders, **changes), redis_url, None
    )


def play(run: OpenedRun) -> list[Event]:
    FusedRun(run.ledger, run.feed, run.models).run()
    return events_of(run.ledger)


def signals(events: list[Event], contender: str) -> list[SignalGenerated]:
    return [event for event in events if isinstance(event, SignalGenerated) and event.contender == contender]


def started_of(ledger: EventLedger) -> SessionStarted:
    (started,) = next(ledger.read(1, 1)).events
    assert isinstance(started, SessionStarted)
    return started


def proven(client: redis.Redis, home: Path, ledger: EventLedger) -> bool:
    """Whether a replay that loads the models anew finds the session identical, byte for byte."""
    started = started_of(ledger)
    models, serving = models_of(client, home, started), serving_here(started)
    verdict = verify(new_ledger(client, ledger.session), CODEC, models=models, serving=serving)
    assert verdict.comparison == "byte for byte"
    return verdict.identical


def test_the_same_tape_and_models_give_the_same_bytes_and_a_replay_proves_them(
    opened: Open, redis_client: redis.Redis, tmp_path: Path
) -> None:
    digest = champion(tmp_path)
    first, second = (opened(learned()) for _ in range(2))
    said = signals(play(first), "lightgbm")
    play(second)
    assert len(said) > 5
    assert {signal.model_hash for signal in said} == {digest}
    assert "tree_shap" in {signal.explanation.method for signal in said} <= {"tree_shap", "time_barrier"}
    assert first.ledger.digest() == second.ledger.digest()
    assert proven(redis_client, tmp_path, first.ledger)


def test_every_kind_of_model_decides_explains_and_replays(
    opened: Open, redis_client: redis.Redis, tmp_path: Path
) -> None:
    kinds = ("lightgbm", "lstm", "tft", "ppo")
    for kind in kinds:
        champion(tmp_path, kind)
    registry = Registry(tmp_path)
    members = [registry.manifest(registry.find(kind)) for kind in ("lightgbm", "lstm")]
    champion(tmp_path, "stack", members=members)
    run = opened(*map(learned, (*kinds, "stack")))
    events = play(run)
    for kind in (*kinds, "stack"):
        said = signals(events, kind)
        assert said, kind
        for signal in said:
            why = signal.explanation
            total = why.base_value + sum(contribution for _, contribution in why.contributions)
            assert total == pytest.approx(why.score, abs=max(why.error, 1e-9)), kind
    assert proven(redis_client, tmp_path, run.ledger)


def test_the_opening_records_contenders_members_parents_and_what_serves_them(opened: Open, tmp_path: Path) -> None:
    parent = champion(tmp_path)
    model = champion(tmp_path, seed=8, parent=parent)
    lstm = champion(tmp_path, "lstm")
    registry = Registry(tmp_path)
    stack = champion(tmp_path, "stack", members=[registry.manifest(lstm)])
    started = started_of(opened(learned(), learned("stack")).ledger)
    assert [(recorded.digest, recorded.stage) for recorded in started.models] == [
        (model, "champion"),
        (parent, "retired"),
        (lstm, "champion"),
        (stack, "champion"),
    ]
    assert dict(started.serving).keys() >= {"lightgbm", "onnxruntime", "numpy"}
    rule, boosted, stacked = started.contenders
    assert (boosted.model_hash, boosted.stage, boosted.parent_hash, boosted.bar_seconds) == (
        model,
        "champion",
        parent,
        60,
    )
    assert (rule.stage, stacked.parent_hash) == ("rule", "")


def test_a_session_without_trained_models_records_none(opened: Open) -> None:
    started = started_of(opened().ledger)
    assert (started.models, started.serving) == ((), ())


def test_a_session_of_rules_alone_does_not_mind_a_damaged_log_of_stages(opened: Open, tmp_path: Path) -> None:
    champion(tmp_path)
    (tmp_path / "models" / "stages.jsonl").write_text("no line of it\n")
    assert started_of(opened().ledger).contenders[0].stage == "rule"
    with pytest.raises(ModelError, match="line 1 is no stage change"):
        opened(learned())


def test_ids_do_not_depend_on_what_serves_the_models(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion(tmp_path)
    here = started_of(opened(learned()).ledger)
    monkeypatch.setattr("titanflow.models.serving.environment.serving_environment", lambda: (("machine", "other"),))
    elsewhere = started_of(opened(learned()).ledger)
    assert elsewhere.serving == (("machine", "other"),)
    assert elsewhere.identity == here.identity


@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing"])
def test_a_model_damaged_before_the_opening_stops_its_contender_alone(
    opened: Open, redis_client: redis.Redis, tmp_path: Path, damage: str
) -> None:
    digest = champion(tmp_path)
    path = tmp_path / "models" / digest / "model.txt"
    content = path.read_bytes()
    match damage:
        case "flipped":
            path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        case "truncated":
            path.write_bytes(content[:100])
        case "missing":
            path.unlink()
    run = opened(learned())
    events = play(run)
    faulty = started_of(run.ledger).contenders[1]
    assert "model.txt" in faulty.fault
    assert {"flipped": "changed", "truncated": "truncated", "missing": "missing"}[damage] in faulty.fault
    assert signals(events, "lightgbm") == []
    assert signals(events, "rule")
    last = [event for event in events if isinstance(event, LeaderboardPublished)][-1]
    assert {standing.contender: standing.stage for standing in last.standings} == {"rule": "rule", "lightgbm": "faulty"}
    assert proven(redis_client, tmp_path, run.ledger)


def test_a_model_damaged_after_the_opening_hurts_neither_session_nor_replay(
    opened: Open, redis_client: redis.Redis, tmp_path: Path
) -> None:
    digest = champion(tmp_path)
    whole, run = opened(learned()), opened(learned())
    play(whole)
    (tmp_path / "models" / digest / "model.txt").write_bytes(b"tree\n")
    models = models_of(redis_client, tmp_path, started_of(run.ledger))
    play(run._replace(models=models))
    assert run.ledger.digest() == whole.ledger.digest()
    assert proven(redis_client, tmp_path, run.ledger)


def test_a_replay_without_the_models_says_which_are_missing(
    opened: Open, redis_client: redis.Redis, tmp_path: Path
) -> None:
    digest = champion(tmp_path)
    run = opened(learned())
    play(run)
    redis_client.delete(model_key(digest))
    assert proven(redis_client, tmp_path, run.ledger), "the registry has the same bytes"
    with pytest.raises(ModelMissingError, match=digest):
        models_of(redis_client, tmp_path / "elsewhere", started_of(run.ledger))


def test_a_model_that_there_is_not_is_refused_before_there_is_a_session(
    opened: Open, redis_client: redis.Redis
) -> None:
    before = [entry.id for entry in Sessions(redis_client).all()]
    with pytest.raises(InputError, match="contender nobody: model is 'nobody'"):
        opened(learned("nobody"))
    assert [entry.id for entry in Sessions(redis_client).all()] == before


@pytest.mark.parametrize("cut", [0, 1, 7])
def test_a_signal_decider_that_comes_back_decides_what_it_would_have_decided(
    opened: Open, redis_client: redis.Redis, tmp_path: Path, cut: int
) -> None:
    """The services topology's processor, stopped after some blocks and started anew with the deposited models."""
    champion(tmp_path)
    run = opened(learned())
    ledger, feed = run.ledger, run.feed
    at = 0
    for position, events, _ in feed.items(0):
        ledger.append(list(events), [Move("gateway", at, position)])
        at = position
    models = models_of(redis_client, tmp_path, started_of(ledger))
    looked = iter(range(10_000))
    Processor(ledger, "signal", lambda: next(looked) >= cut, models).run()
    end = ledger.last_seq()
    again = models_of(redis_client, tmp_path, started_of(ledger))
    Processor(ledger, "signal", lambda: ledger.checkpoint("signal") >= end, again).run()
    assert signals(events_of(ledger), "lightgbm")
    verdict = verify(ledger, CODEC, models=again, serving=serving_here(started_of(ledger)), last=end)
    assert verdict.identical


def test_an_operator_puts_the_parent_in_place_and_the_replay_does_so_too(
    opened: Open, redis_client: redis.Redis, tmp_path: Path
) -> None:
    parent = champion(tmp_path)
    model = champion(tmp_path, seed=8, parent=parent)
    run = opened(learned())
    with pytest.raises(InputError, match="'rule' has no parent model: it is a rule; those that have one: lightgbm"):
        command(run.ledger, OperatorAction.USE_PARENT, "ada", contender="rule")
    command(run.ledger, OperatorAction.USE_PARENT, "ada", contender="lightgbm")
    with pytest.raises(InputError, match="'lightgbm' has been given its parent model already"):
        command(run.ledger, OperatorAction.USE_PARENT, "ada", contender="lightgbm")
    events = play(run)
    (replaced,) = [event for event in events if isinstance(event, ModelReplaced)]
    assert (replaced.model_hash, replaced.replaced_hash) == (parent, model)
    assert {signal.model_hash for signal in signals(events, "lightgbm")} == {parent}
    last = [event for event in events if isinstance(event, LeaderboardPublished)][-1]
    assert {standing.contender: standing.stage for standing in last.standings} == {
        "rule": "rule",
        "lightgbm": "retired",
    }
    assert proven(redis_client, tmp_path, run.ledger)


def test_a_parent_that_cannot_be_loaded_cannot_take_over_and_hurts_nobody(opened: Open, tmp_path: Path) -> None:
    parent = champion(tmp_path)
    champion(tmp_path, seed=8, parent=parent)
    (tmp_path / "models" / parent / "reference.json").unlink()
    run = opened(learned())
    spec = started_of(run.ledger).contenders[1]
    assert (spec.parent_hash, spec.fault) == ("", "")
    with pytest.raises(InputError, match="no contender of this session has one"):
        command(run.ledger, OperatorAction.USE_PARENT, "ada", contender="lightgbm")


def test_candidates_and_digests_may_compete_beside_the_champion(opened: Open, tmp_path: Path) -> None:
    first = champion(tmp_path)
    manifest, files = tiny_model_files(features=("return_1", "rsi"), seed=9)
    second = Registry(tmp_path).add(manifest, files, who="ada")
    contenders = (learned(), learned("lightgbm@candidate", "newest"), learned(second[:8], "digest"))
    started = started_of(opened(*contenders).ledger)
    assert [(spec.model_hash, spec.stage) for spec in started.contenders[1:]] == [
        (first, "champion"),
        (second, "candidate"),
        (second, "candidate"),
    ]
    assert len(started.models) == 2


WHAT_IS_IMPORTED = """
import sys
from pathlib import Path
from titanflow.runtime.ledgers import connect, open_ledger
from titanflow.runtime.services import SERVICES, Job
from titanflow.runtime.runs import load_run
import threading

url, home, session = sys.argv[1:]
settings = load_run(Path(home), session).model_copy(update={"home": Path(home)})
ledger = open_ledger(connect(url), session)
SERVICES["signal"](Job(settings, url, "", ledger, threading.Event()))
heavy = ("torch", "shap", "sklearn", "pandas", "matplotlib", "lightgbm", "scipy", "titanflow.training")
serving = ("numpy", "onnxruntime")
print(",".join(name for name in heavy + serving if name in sys.modules))
"""


@pytest.mark.parametrize(
    ("kinds", "expected"), [((), ""), (("lightgbm",), "numpy"), (("lightgbm", "lstm"), "numpy,onnxruntime")]
)
def test_a_signal_service_imports_no_more_than_its_models_need(
    opened: Open, redis_url: str, tmp_path: Path, kinds: tuple[str, ...], expected: str
) -> None:
    """A signal service that comes back folds the whole session: it asks every model, and explains every signal."""
    for kind in kinds:
        champion(tmp_path, kind)
    run = opened(*map(learned, kinds))
    events = play(run)
    assert all(signals(events, kind) for kind in kinds)
    done = subprocess.run(
        [sys.executable, "-c", WHAT_IS_IMPORTED, redis_url, str(tmp_path), run.ledger.session],
        capture_output=True, text=True, check=True, cwd=REPOSITORY, timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == expected


def test_what_serves_is_compared_with_what_served_and_tells_why(
    opened: Open, redis_client: redis.Redis, tmp_path: Path
) -> None:
    champion(tmp_path)
    run = opened(learned())
    play(run)
    started = started_of(run.ledger)
    models = models_of(redis_client, tmp_path, started)
    other = tuple((name, "0.0.1" if name == "lightgbm" else value) for name, value in serving_here(started))
    verdict = verify(run.ledger, CODEC, models=models, serving=other)
    assert verdict.identical
    assert verdict.comparison == "tolerance"
    assert "lightgbm 0.0.1 here" in verdict.reason


def test_a_run_without_the_models_of_its_session_decides_nothing(opened: Open, tmp_path: Path) -> None:
    champion(tmp_path)
    run = opened(learned())
    with pytest.raises(ModelError, match="are missing: lightgbm"):
        FusedRun(run.ledger, run.feed).run()
    assert run.ledger.last_seq() == 1
