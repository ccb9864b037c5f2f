"""The same session, decided elsewhere: another process, hash seed, time zone, locale, block size, load."""

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from replay.verify import verify
from support.elsewhere import ask_elsewhere
from support.short_session import play_fused
from titanflow.domain.events import Event
from titanflow.runtime.ledgers import CODEC, EventLedger

Write = Callable[..., EventLedger]

SURROUNDINGS = [
    pytest.param({"PYTHONHASHSEED": "1", "TZ": "America/New_York", "LC_ALL": "C"}, id="new-york"),
    pytest.param({"PYTHONHASHSEED": "4242", "TZ": "Asia/Kathmandu", "LC_ALL": "de_DE.UTF-8"}, id="kathmandu"),
    pytest.param({"PYTHONHASHSEED": "0", "TZ": "Pacific/Apia", "LC_ALL": "tr_TR.UTF-8", "PYTHONUTF8": "0"}, id="apia"),
]


@pytest.mark.parametrize("environment", SURROUNDINGS)
def test_replaying_in_another_process_hash_seed_time_zone_and_locale_changes_no_byte(
    played: EventLedger, redis_url: str, environment: dict[str, str]
) -> None:
    here = verify(played, CODEC)
    there = ask_elsewhere("replay", redis_url, played.session, environment=environment)
    assert there == {"identical": True, "decided": here.decided, "digest": here.digest}


@pytest.mark.parametrize("environment", SURROUNDINGS)
def test_playing_in_another_process_hash_seed_time_zone_and_locale_changes_no_byte(
    played: EventLedger, redis_url: str, tmp_path: Path, tape: Path, session_id: str, environment: dict[str, str]
) -> None:
    there = ask_elsewhere("play", redis_url, tmp_path, tape, session_id, environment=environment)
    assert there == {"events": played.last_seq(), "digest": played.digest()}


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_how_events_are_cut_into_blocks_changes_nothing(
    played: EventLedger, history: tuple[Event, ...], write: Write, size: int
) -> None:
    verdict = verify(write(history, sizes=lambda: size), CODEC)
    assert verdict.identical
    assert verdict.digest == played.digest()


def test_blocks_of_any_mixture_of_sizes_change_nothing(
    played: EventLedger, history: tuple[Event, ...], write: Write
) -> None:
    sizes = random.Random(5)
    verdict = verify(write(history, sizes=lambda: sizes.randrange(1, 300)), CODEC)
    assert verdict.identical
    assert verdict.digest == played.digest()


@pytest.fixture
def busy_machine() -> Iterator[None]:
    """Another process that takes all the time that it is given."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as hog:
        yield
        hog.kill()


@pytest.mark.usefixtures("busy_machine")
def test_a_busy_machine_plays_and_replays_the_same_bytes(
    played: EventLedger, redis_url: str, tmp_path: Path, tape: Path
) -> None:
    again = play_fused(redis_url, tmp_path, tape)
    assert again.digest() == played.digest()
    assert verify(again, CODEC).identical


def test_the_same_tape_seed_and_settings_give_the_same_digest_under_another_name(
    played: EventLedger, redis_url: str, tmp_path: Path, tape: Path, session_id: str
) -> None:
    again = play_fused(redis_url, tmp_path, tape, session_id)
    assert again.session != played.session
    assert again.digest() == played.digest()


def test_the_same_tape_elsewhere_on_disk_gives_the_same_digest(
    played: EventLedger, redis_url: str, tmp_path: Path, tape: Path
) -> None:
    moved = tmp_path / "elsewhere" / tape.name
    moved.parent.mkdir()
    moved.write_bytes(tape.read_bytes())
    assert play_fused(redis_url, tmp_path, moved).digest() == played.digest()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"seed": 8}, id="seed"),
        pytest.param({"risk": {"risk_per_trade": "0.02"}}, id="risk_per_trade"),
        pytest.param({"execution": {"latency_median_ms": "250"}}, id="latency"),
        pytest.param({"starting_cash": 50_000}, id="cash"),
    ],
)
def test_one_setting_changed_gives_another_digest_and_replays_identical(
    played: EventLedger, redis_url: str, tmp_path: Path, tape: Path, change: dict[str, object]
) -> None:
    other = play_fused(redis_url, tmp_path, tape, **change)
    assert other.digest() != played.digest()
    assert verify(other, CODEC).identical


def test_settings_of_the_processes_change_no_byte(
    played: EventLedger, redis_url: str, tmp_path: Path, tape: Path
) -> None:
    other = play_fused(redis_url, tmp_path, tape, runtime={"restart_limit": 3, "max_lag_events": 777})
    assert other.digest() == played.digest()
