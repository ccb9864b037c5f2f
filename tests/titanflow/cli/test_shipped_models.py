"""The contenders that compete by default, the shipped models among them, from the tape to the proof; and spoilt copies.

The tape has two hours of the second day, which the models were trained on, and one and a half of the third. That is
too brief for models that wait for the extremes of their scores: here they buy on the least hope.
"""

import gzip
import re
from collections import defaultdict
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from support.short_session import events_of
from support.tiny_models import described, install
from titanflow.domain.events import (
    Event,
    OrderApproved,
    OrderFilled,
    SessionStarted,
    SignalGenerated,
    SignalWithheld,
)
from titanflow.domain.models import MANIFEST_FILE, ModelManifest
from titanflow.domain.types import WithheldReason
from titanflow.embedded.redis import redis_server
from titanflow.gateway.samples import sample_tape
from titanflow.models.registry import Registry
from titanflow.runtime.ledgers import connect, open_ledger
from titanflow.signal.contenders import DEFAULT_CONTENDERS_FILE

from .conftest import HOUR, OPEN, CommandLine

pytestmark = pytest.mark.e2e

RULES = {"sma-slow", "sma-fast", "rsi-slow", "rsi-fast"}
TRAINED = {"lightgbm", "lstm", "tft", "stack", "ppo"}
SYMBOLS = {"AAPL", "AMZN", "BAC", "MU", "SPY"}
DAY = 24 * HOUR
SECOND_DAY = OPEN + DAY + 9 * HOUR // 2
"""2019-02-12 19:00 UTC, two hours before the close."""
THIRD_DAY = OPEN + 2 * DAY
SESSION = "shipped"
DEFAULTS = files("titanflow.signal").joinpath(DEFAULT_CONTENDERS_FILE).read_text(encoding="utf-8")
TALKATIVE = "parameters = { buy_above = 0.4, sell_below = 0.3 }\n"


def learned(name: str, model: str) -> str:
    """A contender of this model."""
    return f'[[contender]]\nid = "{name}"\nstrategy = "LearnedModel"\nmodel = "{model}"\ninstruments = "*"\n{TALKATIVE}'


def cut(path: Path, first: int, end: int) -> Path:
    """Part of the shipped tape, of five shares."""
    with gzip.open(sample_tape(), "rt") as sample:
        header, *rows = sample
    fields = ((row, *row.split(",")[:2]) for row in rows)
    wanted = (row for row, at, symbol in fields if symbol in SYMBOLS and first <= int(at) < end)
    path.write_text(header + "".join(wanted))
    return path


class Played(NamedTuple):
    """A session of the default contenders."""

    result: Any
    """What the command said."""
    events: dict[int, Event]
    """By seq."""

    def of(self, kind: type[Any]) -> Iterator[Any]:
        """The events of one type, in order."""
        return (event for event in self.events.values() if type(event) is kind)

    @property
    def trained_until(self) -> dict[str, int]:
        """Contender -> the end of what its model has seen."""
        started = self.events[1]
        assert isinstance(started, SessionStarted)
        ends = {model.digest: model.manifest.training.last_at for model in started.models}
        return {spec.id: ends[spec.model_hash] for spec in started.contenders if spec.id in TRAINED}


@pytest.fixture(scope="module")
def played(cli: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("default")
    contenders = folder / "contenders.toml"
    contenders.write_text(re.sub(r'^model = ".*"\n', rf"\g<0>{TALKATIVE}", DEFAULTS, flags=re.MULTILINE))
    tape = cut(folder / "two_days.csv", SECOND_DAY, THIRD_DAY + 3 * HOUR // 2)
    result = cli.json("backtest", tape, "--contenders", contenders, "--session", SESSION)
    ledger = open_ledger(connect(redis_server(cli.home).start()), SESSION)
    return Played(result, dict(enumerate(events_of(ledger), 1)))


def test_all_nine_stand_on_the_leaderboard_and_none_is_faulty(played: Played) -> None:
    stages = {standing["contender"]: standing["stage"] for standing in played.result["leaderboard"]}
    assert stages == dict.fromkeys(RULES, "rule") | dict.fromkeys(TRAINED, "champion")
    assert played.result["faults"] == {}


def test_a_trained_contender_is_silent_on_what_it_was_trained_on_and_speaks_later(played: Played) -> None:
    until = played.trained_until
    assert until.keys() == TRAINED
    first_words: dict[str, int] = {}
    for signal in played.of(SignalGenerated):
        first_words.setdefault(signal.contender, signal.at)
    assert first_words.keys() >= TRAINED
    assert all(first_words[contender] > until[contender] for contender in TRAINED)
    in_sample = [event for event in played.of(SignalWithheld) if event.at <= until[event.contender]]
    assert {event.contender for event in in_sample} == TRAINED
    assert {event.reason for event in in_sample} == {WithheldReason.IN_SAMPLE}
    assert not any(
        event.reason is WithheldReason.IN_SAMPLE and event.at > until[event.contender]
        for event in played.of(SignalWithheld)
    )


def test_every_signal_of_a_trained_contender_is_explained(played: Played) -> None:
    methods = defaultdict(set)
    for signal in played.of(SignalGenerated):
        why = signal.explanation
        methods[signal.contender].add(why.method)
        if signal.contender in TRAINED:
            assert signal.model_hash
            assert abs(why.base_value + sum(part for _, part in why.contributions) - why.score) <= why.error + 1e-9
            assert 0 <= why.error < 1e-3 * max(1.0, abs(why.score))
            assert any(part for _, part in why.contributions)
    assert methods["lightgbm"] - {"time_barrier"} == {"tree_shap"}
    for contender in TRAINED - {"lightgbm"}:
        assert methods[contender] - {"time_barrier"} == {"grouped_shapley_sampling"}


def test_each_trades_and_its_fills_are_explained_with_its_model(played: Played, cli: CommandLine) -> None:
    filled = {fill.contender: fill.fill_id for fill in played.of(OrderFilled)}
    assert filled.keys() >= TRAINED
    for contender in TRAINED:
        chain = cli.json("explain", filled[contender], "--session", SESSION)
        (evidence,) = chain["models"].values()
        assert (evidence["name"], evidence["kind"], evidence["stage"]) == (contender, contender, "champion")
        kinds = [link["type"] for link in chain["chain"]]
        assert kinds[-1] == "OrderFilled"
        assert {"SignalGenerated", "OrderApproved"} <= set(kinds)
    assert {order.contender for order in played.of(OrderApproved)} >= TRAINED


def test_its_replay_is_identical(played: Played, cli: CommandLine) -> None:
    verdict = cli.json("replay", SESSION)
    assert verdict["identical"] is True
    assert verdict["comparison"] == "byte for byte"
    assert verdict["digest"] == played.result["digest"]


def copied(home: Path, kind: str, name: str, *, spoil: bool = False, **changes: Any) -> str:
    """A copy of a shipped model in the user's registry, under another name and with other claims; its digest."""
    registry = Registry(home)
    contents = registry.read(registry.find(kind))
    manifest = msgspec.json.decode(contents.pop(MANIFEST_FILE), type=ModelManifest)
    manifest = msgspec.structs.replace(manifest, name=name, files=described(contents), **changes)
    if spoil:
        artefact = bytearray(contents[manifest.artefact])
        artefact[len(artefact) // 2] ^= 1
        contents[manifest.artefact] = bytes(artefact)
    return install(home, manifest, contents)


def test_three_spoilt_copies_stand_out_with_three_clear_errors_and_the_others_trade(
    cli: CommandLine, tmp_path: Path
) -> None:
    registry = Registry(cli.home)
    lstm, tft = (registry.manifest(registry.find(kind)) for kind in ("lstm", "tft"))
    dropped = lstm.features[-1].name
    spoilt = {
        "flipped": copied(cli.home, "lstm", "flipped", spoil=True),
        "featureless": copied(cli.home, "lstm", "featureless", features=lstm.features[:-1]),
        "foreign": copied(cli.home, "tft", "foreign", versions={**tft.versions, "onnxruntime": "99.1.0"}),
    }
    words = {
        "flipped": ("model.onnx was changed: expected sha256",),
        "featureless": (f"reference.json describes other features than the model reads: it has {dropped} as well",),
        "foreign": ("onnxruntime", "is installed, but the model was made with 99.1.0"),
    }
    checked = cli("models", "verify", spoilt["foreign"])
    assert checked.returncode == 1
    assert all(each in checked.stdout for each in words["foreign"])

    contenders = tmp_path / "contenders.toml"
    sound = ("lightgbm", "ppo")
    contenders.write_text("".join(learned(name, spoilt.get(name, name)) for name in (*spoilt, *sound)))
    tape = cut(tmp_path / "third_day.csv", THIRD_DAY, THIRD_DAY + 3 * HOUR // 2)
    result = cli.json("backtest", tape, "--contenders", contenders, "--session", "spoilt")
    for name, texts in words.items():
        assert spoilt[name] in result["faults"][name]
        assert all(text in result["faults"][name] for text in texts)
    standings = {standing["contender"]: standing for standing in result["leaderboard"]}
    assert {name for name, standing in standings.items() if standing["stage"] == "faulty"} == spoilt.keys()
    assert {name for name, standing in standings.items() if standing["fills"]} == set(sound)
    assert cli.json("replay", "spoilt")["identical"] is True
