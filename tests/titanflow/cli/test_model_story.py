"""What trained models did, as people read it; and the evidence that `explain` shows of a real signal of one."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from replay.trace import Link
from support.short_session import write_tape
from support.tiny_models import tiny_model_files
from titanflow.cli.explain import nothing_to_draw
from titanflow.cli.story import details, sentence
from titanflow.domain.events import FeatureDriftMeasured, ModelReplaced, QuoteReceived, SignalWithheld
from titanflow.domain.models import RecordedModel
from titanflow.domain.types import Side, WithheldReason
from titanflow.models.registry import Registry

from .conftest import OPEN, CommandLine

HOUR = 3_600_000_000_000
MODELS = {digest: RecordedModel(digest, "champion", tiny_model_files(name="tiny")[0]) for digest in ("old", "new")}
WITHHELD = SignalWithheld(
    7, OPEN, "trees", "SPY.ARCX", Side.BUY, WithheldReason.OUTLIER,
    (("probability", 0.71), ("dissimilarity", 3.25), ("dissimilarity_limit", 2.0)), "old",
)  # fmt: skip
DRIFT = FeatureDriftMeasured(9, OPEN + HOUR, "trees", OPEN, 1240, (("rsi", 0.31), ("atr", 0.02)), True, "old")


def test_a_withheld_signal_is_told_with_its_reason_and_its_numbers() -> None:
    assert sentence(WITHHELD, {}) == (
        "trees withheld a signal to BUY SPY.ARCX: the market lies too far from anything that it was trained on"
    )
    told = dict(details(WITHHELD, MODELS))
    assert told["numbers"] == "probability 0.71 · dissimilarity 3.25 · dissimilarity limit 2"
    assert told["model"] == "tiny (champion) old"


@pytest.mark.parametrize("reason", WithheldReason)
def test_every_reason_to_withhold_has_words(reason: WithheldReason) -> None:
    event = SignalWithheld(7, OPEN, "trees", "SPY.ARCX", Side.SELL, reason, (), "old")
    assert re.fullmatch(r"trees withheld a signal to SELL SPY\.ARCX: \w+( [\w,]+){3,}", sentence(event, {}))


def test_drift_is_told_with_its_hour_and_the_index_of_each_feature() -> None:
    assert sentence(DRIFT, {}) == (
        "trees: the market has drifted from its training, by 1,240 bars since 2019-02-11 14:30:00 UTC"
    )
    assert dict(details(DRIFT, MODELS))["psi"] == "rsi 0.310 · atr 0.020"
    calm = FeatureDriftMeasured(9, OPEN + HOUR, "trees", OPEN, 1240, (("rsi", 0.01),), False, "old")
    assert sentence(calm, {}).startswith("trees: no drift from its training")


def test_a_replaced_model_is_told_with_both() -> None:
    replaced = ModelReplaced(9, OPEN, "trees", "new", "old")
    assert sentence(replaced, {}) == "trees decides by its parent model from now on"
    assert dict(details(replaced, MODELS)) == {"instead of": "tiny (champion) old", "model": "tiny (champion) new"}
    assert dict(details(replaced))["model"] == "new", "also where the opening is not at hand"


def test_a_quote_is_told_in_dollars() -> None:
    quote = QuoteReceived(OPEN, "SPY.ARCX", 270_500_000_000, 270_510_000_000)
    assert sentence(quote, {}) == "SPY.ARCX was quoted: bid 270.50, ask 270.51"


@pytest.mark.e2e
def test_a_signal_of_a_trained_model_is_explained_with_its_evidence_and_drawn(tmp_path: Path, redis_url: str) -> None:
    manifest, files = tiny_model_files(name="tiny", trained_until=OPEN - HOUR)
    digest = Registry(tmp_path).add(manifest, files)
    cli, env = CommandLine(tmp_path), {"REDIS_URL": redis_url}
    contenders = tmp_path / "contenders.toml"
    contenders.write_text(
        '[[contender]]\nid = "trees"\nname = "Tiny trees"\nstrategy = "LearnedModel"\n'
        'model = "tiny@candidate"\ninstruments = "*"\n'
    )
    session = f"explained-{tmp_path.name}"
    tape = write_tape(tmp_path / "tape.csv", minutes=60)
    cli.good("backtest", tape, "--contenders", contenders, "--session", session, env=env)
    tail = cli.good("ledger", "tail", session, "--type", "SignalGenerated", "-n", 1, env=env)
    seq = tail.split()[0]

    picture = tmp_path / "why.svg"
    told = cli.good("explain", seq, "--session", session, "--plot", picture, env=env)
    for words in (
        f"model      tiny (candidate) {digest}", "tree_shap", "foresees   a rise within 15 bars with", "dissimilarity",
        "validation found no edge: accuracy 0.52 · auc 0.53", "trained on 600 rows through 2019-02-11 13:30:00 UTC",
    ):  # fmt: skip
        assert words in told
    because = re.search(r"because +(.*)", told)
    assert because is not None
    impacts = [abs(float(part.split()[1])) for part in because[1].split(" · ")]
    assert impacts == sorted(impacts, reverse=True)
    assert len(impacts) == len(manifest.features)
    drawn = "".join(ElementTree.parse(picture).getroot().itertext())
    assert f"Model: tiny (candidate) {digest}" in drawn
    assert all(code.name in drawn for code in manifest.features)

    refused = cli("explain", seq, "--session", session, "--plot", tmp_path / "why.png", env=env)
    assert refused.returncode == 2
    assert "expected a file that ends with .svg or .html" in refused.stderr
    nothing = cli("explain", "1", "--session", session, "--plot", picture, env=env)
    assert nothing.returncode == 2
    assert "goes back to no signal" in nothing.stderr


def test_what_cannot_be_drawn_says_why_and_where_to_read_instead() -> None:
    withheld, drift = nothing_to_draw(Link(12, WITHHELD)), nothing_to_draw(Link(13, DRIFT))
    assert withheld.startswith("event 12 (SignalWithheld) cannot be drawn: its model did not signal")
    assert drift.startswith("event 13 (FeatureDriftMeasured) cannot be drawn: it compares features with the training")
    assert withheld.endswith("without --plot, `titanflow explain 12` tells what is known of it")
