"""Contenders from TOML: what is accepted, and that every refusal names the place, the value and what was expected."""

import re
from importlib.resources import files

import pandas as pd
import pytest

from support.scripted_model import ScriptedModel, surely
from support.signal_worlds import decide, instrument, session, with_clocks
from titanflow.domain.events import SignalGenerated, TickReceived
from titanflow.domain.instruments import InstrumentKind
from titanflow.domain.session_settings import ContenderSpec
from titanflow.domain.types import NANOS_PER_SECOND
from titanflow.errors import InputError
from titanflow.signal.contenders import (
    DEFAULT_CONTENDERS_FILE,
    ResolvedModel,
    less_sure_than,
    model_hash,
    parse_contenders,
)
from titanflow.signal.on_tape import told_of_tape
from titanflow.signal.strategies import STRATEGIES

MARKET = (instrument("AAPL.XNYS"), instrument("VIX.XNYS", InstrumentKind.INDEX), instrument("BTCUSDT.BINANCE-SPOT"))
GOOD = """
[[contender]]
id = "trend"
name = "Trend"
strategy = "SMACrossover"
instruments = "*"
bar_seconds = 60
[contender.parameters]
slow = 20
fast = 5

[[contender]]
id = "dip"
strategy = "RSIMeanReversion"
instruments = ["BTCUSDT.BINANCE-SPOT"]
bar_seconds = 0
parameters = { oversold = 25 }
"""


def parse(text: str) -> tuple[ContenderSpec, ...]:
    return parse_contenders(text, MARKET, "arena.toml")


def test_a_file_lists_contenders_in_order_with_every_parameter_sorted_by_name() -> None:
    trend, dip = parse(GOOD)
    assert (trend.id, trend.name, trend.strategy, trend.bar_seconds) == ("trend", "Trend", "SMACrossover", 60)
    assert trend.parameters == (("fast", 5), ("slow", 20))
    assert (dip.id, dip.name, dip.bar_seconds) == ("dip", "dip", 0)
    assert dip.instruments == ("BTCUSDT.BINANCE-SPOT",)
    assert dip.parameters == (("overbought", 70.0), ("oversold", 25.0), ("period", 14), ("trigger", "enter"))
    assert isinstance(dict(dip.parameters)["oversold"], float)


def test_a_star_names_all_that_can_be_traded_in_the_order_of_the_market() -> None:
    assert parse(GOOD)[0].instruments == ("AAPL.XNYS", "BTCUSDT.BINANCE-SPOT")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('id = "trend"', 'id = "tr end"', "contender number 1: id is 'tr end'; expected 1 to 64 letters"),
        ('id = "trend"\n', "", "contender number 1: id is missing; expected"),
        ('id = "dip"', 'id = "trend"', "contender trend: id is used twice"),
        ('name = "Trend"', 'name = ""', "contender trend: name is ''; expected a text"),
        ('"SMACrossover"', '"Oracle"', "trend: strategy is 'Oracle'; expected one of SMACrossover, RSIMeanReversion"),
        ('strategy = "SMACrossover"\n', "", "contender trend: strategy is missing; expected one of SMACrossover"),
        ('"*"', '"AAPL.XNYS"', """trend: instruments is 'AAPL.XNYS'; expected "*" or a list"""),
        ('"*"', "[]", "trend: instruments is []; expected"),
        (
            '"*"',
            '["AAPL.XNAS"]',
            "trend: instruments is 'AAPL.XNAS'; expected instruments that can be traded here: AAPL",
        ),
        ('"*"', '["VIX.XNYS"]', "trend: instruments is 'VIX.XNYS'; expected instruments that can be traded"),
        ('"*"', '["AAPL.XNYS", "AAPL.XNYS"]', "trend: instruments is 'AAPL.XNYS'; expected each instrument once"),
        ('"*"', "[7]", "trend: instruments is 7; expected instruments that can be traded"),
        ("bar_seconds = 60\n", "", "trend: bar_seconds is missing; expected a whole number from 0 to 604800"),
        ("bar_seconds = 60", "bar_seconds = -1", "trend: bar_seconds is -1; expected a whole number from 0"),
        ("bar_seconds = 60", "bar_seconds = 604801", "trend: bar_seconds is 604801; expected"),
        ("bar_seconds = 60", "bar_seconds = 0.5", "trend: bar_seconds is 0.5; expected"),
        ("bar_seconds = 60", "bar_seconds = true", "trend: bar_seconds is True; expected"),
        ("bar_seconds = 60", "barseconds = 60", "trend: barseconds is 60; expected no such field; the fields are id"),
        ("fast = 5", "fast = 20", "trend: parameters: fast = 20 must be less than slow = 20"),
        ("fast = 5", "fast = 0", "trend: parameters.fast is 0; expected a whole number from 1 to 5000"),
        ("fast = 5", "fast = 5.0", "trend: parameters.fast is 5.0; expected a whole number from 1 to 5000"),
        ("fast = 5", "fast = true", "trend: parameters.fast is True; expected a whole number"),
        ("fast = 5", 'fast = "5"', "trend: parameters.fast is '5'; expected a whole number"),
        ("fast = 5", "quick = 5", "trend: parameters.quick is 5; expected a parameter of SMACrossover: fast, slow"),
        ("oversold = 25", "oversold = nan", "dip: parameters.oversold is nan; expected a number from 1 to 49"),
        ("oversold = 25", "oversold = 60", "dip: parameters.oversold is 60; expected a number from 1 to 49"),
        ("oversold = 25", 'trigger = "maybe"', "dip: parameters.trigger is 'maybe'; expected one of enter, leave"),
        ("parameters = { oversold = 25 }", "parameters = 3", "dip: parameters is 3; expected a table"),
        ("[[contender]]", "[[contestant]]", "expected one or more [[contender]] tables and nothing else"),
        (GOOD, "", "expected one or more [[contender]] tables"),
        (GOOD, "contender = 3", "expected one or more [[contender]] tables"),
        (GOOD, "contender = []", "expected one or more [[contender]] tables"),
        (GOOD, "contender = [3]", "contender number 1: expected a table with id"),
        (GOOD, "[[contender", "not valid TOML"),
    ],
)
def test_a_mistake_is_refused_with_its_place_its_value_and_what_was_expected(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(InputError, match="^arena.toml: .*" + re.escape(message)):
        parse(GOOD.replace(old, new))


def test_a_strategy_that_needs_bars_is_not_run_on_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    slow_thinker = type("SlowThinker", (STRATEGIES["SMACrossover"],), {"name": "SlowThinker"})
    slow_thinker.on_tick = STRATEGIES["SMACrossover"].__mro__[1].on_tick
    monkeypatch.setitem(STRATEGIES, "SlowThinker", slow_thinker)
    text = '[[contender]]\nid = "s"\nstrategy = "SlowThinker"\ninstruments = "*"\nbar_seconds = '
    assert parse(text + "1")[0].strategy == "SlowThinker"
    with pytest.raises(InputError, match=r"bar_seconds is 0; expected .* from 1 .*SlowThinker decides on bars"):
        parse(text + "0")


def test_a_star_in_a_market_where_nothing_can_be_traded_is_refused() -> None:
    with pytest.raises(InputError, match=r"contender trend: instruments is '\*'; expected"):
        parse_contenders(GOOD, MARKET[1:2], "arena.toml")


def test_the_model_hash_tells_apart_what_decides_differently_and_nothing_else() -> None:
    plain, renamed, faster = (
        parse(GOOD.replace(old, new))[0].model_hash
        for old, new in (("", ""), ('id = "trend"\nname = "Trend"', 'id = "x"'), ("fast = 5", "fast = 4"))
    )
    assert plain == renamed != faster
    assert re.fullmatch("[0-9a-f]{64}", plain)


def test_a_new_version_of_a_strategy_has_a_new_model_hash() -> None:
    strategy = STRATEGIES["SMACrossover"]
    newer = type("SMACrossover", (strategy,), {"version": strategy.version + 1})
    assert model_hash(strategy, (("fast", 5),)) != model_hash(newer, (("fast", 5),))


DEFAULTS = files("titanflow.signal").joinpath(DEFAULT_CONTENDERS_FILE).read_text(encoding="utf-8")


def not_here(reference: str) -> ResolvedModel:
    """A model of that name whose contender will not compete."""
    return ResolvedModel("a" * 64, "champion", MODEL.manifest, fault=f"{reference} is not asked here")


def test_four_rules_and_one_trained_model_of_each_kind_compete_by_default() -> None:
    specs = parse_contenders(DEFAULTS, MARKET, DEFAULT_CONTENDERS_FILE, not_here)
    rules = [spec.id for spec in specs if spec.strategy != "LearnedModel"]
    assert rules == ["sma-slow", "sma-fast", "rsi-slow", "rsi-fast"]
    trained = {spec.id: spec.fault for spec in specs if spec.strategy == "LearnedModel"}
    assert trained == {name: f"{name} is not asked here" for name in ("lightgbm", "lstm", "tft", "stack", "ppo")}


def heard(ticks: list[TickReceived]) -> set[tuple[str, str]]:
    """(contender, side) of every signal that the shipped rules give on these ticks."""
    names = tuple(dict.fromkeys(each.instrument for each in ticks))
    specs = parse_contenders(DEFAULTS, tuple(instrument(name) for name in names), DEFAULT_CONTENDERS_FILE, not_here)
    decided = decide(session(specs, names), with_clocks(ticks))
    return {
        (event.contender, event.side.value)
        for event in decided
        if isinstance(event, SignalGenerated) and event.atr > 0 and event.confidence >= 0.25
    }


def test_all_shipped_rules_buy_and_sell_on_recorded_minutes(minute_bars: dict[str, pd.DataFrame]) -> None:
    ticks = [
        TickReceived(row.ts_ns + part * NANOS_PER_SECOND, f"{symbol}.XNYS", price, row.volume)
        for symbol in ("AAPL", "SPY")
        for row in minute_bars[symbol].itertuples(index=False)
        for part, price in zip((0, 20, 40, 59), (row.open, row.low, row.high, row.close), strict=True)
    ]
    ticks.sort(key=lambda each: each.at)
    assert heard(ticks) == {
        (name, side) for name in ("sma-slow", "sma-fast", "rsi-slow", "rsi-fast") for side in ("BUY", "SELL")
    }


def test_no_shipped_rule_asks_for_bars_that_a_tape_of_minutes_cannot_give() -> None:
    rules = [spec for spec in parse_contenders(DEFAULTS, MARKET, DEFAULT_CONTENDERS_FILE, not_here) if not spec.fault]
    bars = tuple((each.id, 60) for each in MARKET)
    assert told_of_tape(rules, bars) == []
    assert {spec.bar_seconds for spec in rules} == {60, 300}


LEARNED = """
[[contender]]
id = "boosted"
strategy = "LearnedModel"
model = "lightgbm"
instruments = ["AAPL.XNYS"]
"""
MODEL = ScriptedModel(lambda row: surely(0.5), bar_seconds=30, thresholds=(0.6, 0.4))
PARENT = "f" * 64


def resolve(reference: str) -> ResolvedModel:
    """A registry of one champion with a parent, and of one whose file was changed and one that is nothing at all."""
    match reference:
        case "lightgbm":
            return ResolvedModel(MODEL.digest, "champion", MODEL.manifest, parent=PARENT)
        case "changed":
            return ResolvedModel("a" * 64, "candidate", MODEL.manifest, fault="model.txt was changed")
        case "ruined":
            return ResolvedModel("b" * 64, "candidate", None, fault="manifest.json is missing")
    raise InputError("there is lightgbm")


def learned(text: str) -> ContenderSpec:
    (spec,) = parse_contenders(text, MARKET, "arena.toml", resolve)
    return spec


def test_a_trained_contender_takes_bars_stage_and_parent_from_its_model() -> None:
    spec = learned(LEARNED)
    assert (spec.strategy, spec.model_hash, spec.bar_seconds) == ("LearnedModel", MODEL.digest, 30)
    assert (spec.stage, spec.parent_hash, spec.fault) == ("champion", PARENT, "")
    assert dict(spec.parameters) == {
        "buy_above": 0.0, "hold_bars": 0, "in_sample": "withhold", "max_age_days": 30, "outliers": "lower",
        "sell_below": 0.0,
    }  # fmt: skip


def test_a_rule_has_no_stage_of_a_model_no_parent_and_no_fault() -> None:
    assert {(spec.stage, spec.parent_hash, spec.fault) for spec in parse(GOOD)} == {("rule", "", "")}


def test_a_model_that_cannot_be_loaded_is_the_fault_of_its_contender_alone() -> None:
    text = LEARNED.replace('"lightgbm"', '"changed"') + GOOD
    faulty, *others = parse_contenders(text, MARKET, "arena.toml", resolve)
    assert (faulty.model_hash, faulty.stage, faulty.fault) == ("a" * 64, "candidate", "model.txt was changed")
    assert [spec.fault for spec in others] == ["", ""]


def test_who_buys_at_less_confidence_than_risk_asks_for_is_found_by_the_threshold_that_holds() -> None:
    own = learned(LEARNED)
    stricter = learned(LEARNED.replace("boosted", "strict") + "parameters = { buy_above = 0.8 }\n")
    faulty = learned(LEARNED.replace('"lightgbm"', '"changed"'))
    contenders, manifests = (own, stricter, faulty, *parse(GOOD)), {MODEL.digest: MODEL.manifest}
    assert less_sure_than(0.7, contenders, manifests) == {"boosted": 0.6}
    assert less_sure_than(0.9, contenders, manifests) == {"boosted": 0.6, "strict": 0.8}
    assert less_sure_than(0.6, contenders, manifests) == {}, "risk lets in what is as sure as it asks for"


@pytest.mark.parametrize(("given", "seconds"), [("", 0), ("bar_seconds = 5\n", 5)])
def test_where_the_manifest_is_lost_the_bars_are_what_the_file_says(given: str, seconds: int) -> None:
    spec = learned(LEARNED.replace('model = "lightgbm"\n', f'model = "ruined"\n{given}'))
    assert (spec.bar_seconds, spec.fault) == (seconds, "manifest.json is missing")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('model = "lightgbm"\n', "", "contender boosted: model is missing; expected a model's name, NAME@candidate"),
        ('model = "lightgbm"', "model = 7", "contender boosted: model is 7; expected a model's name"),
        ('model = "lightgbm"', 'model = "xgboost"', "contender boosted: model is 'xgboost': there is lightgbm"),
        (
            'model = "lightgbm"',
            'model = "lightgbm"\nbar_seconds = 60',
            "bar_seconds is 60; expected 30, which the model",
        ),
        (
            'model = "lightgbm"',
            'model = "lightgbm"\nbar_seconds = 0',
            "bar_seconds is 0; expected a whole number from 1",
        ),
        (
            'model = "lightgbm"',
            'model = "lightgbm"\nparameters = { buy_above = 0.4 }',
            "with the model's own thresholds, sell_below = 0.4 is not less than buy_above = 0.4",
        ),
        (
            'model = "lightgbm"',
            'model = "lightgbm"\nparameters = { buy_above = 0.4, sell_below = 0.5 }',
            "sell_below = 0.5 must be less than buy_above = 0.4",
        ),
        (
            'model = "lightgbm"',
            'model = "lightgbm"\nparameters = { outliers = "hope" }',
            "parameters.outliers is 'hope'; expected one of withhold, lower, ignore",
        ),
    ],
)
def test_a_mistake_in_a_trained_contender_is_named(old: str, new: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        learned(LEARNED.replace(old, new))


def test_a_rule_takes_no_model() -> None:
    with pytest.raises(InputError, match="model is 'lightgbm'; expected none: SMACrossover is a rule"):
        parse(GOOD.replace("bar_seconds = 60", 'bar_seconds = 60\nmodel = "lightgbm"'))


def test_without_a_registry_a_trained_contender_is_refused() -> None:
    with pytest.raises(InputError, match="contender boosted: model is 'lightgbm': there is no registry"):
        parse(LEARNED)
