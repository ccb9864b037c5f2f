"""Signs of life, and what a service says of itself beside them."""

import os
from pathlib import Path

import pytest

from titanflow.runtime import heartbeat as heartbeat_module
from titanflow.runtime.heartbeat import BEAT_EVERY_S, Heartbeat, Told, last_beat, told


class Clock:
    def __init__(self) -> None:
        self.now = 500.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(heartbeat_module, "time", made)
    return made


def test_whoever_folds_again_is_alive_and_says_how_far_it_is(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "sessions" / "s" / "signal.heartbeat"
    heart = Heartbeat(path)
    for seq in (1_000, 2_000, 3_000):
        clock.now += 10 * BEAT_EVERY_S
        heart.recovering(seq, 3_000)
        assert last_beat(path) == clock.now
        if seq < 3_000:
            assert (told(path).recovering, told(path).of) == (seq, 3_000)
    assert told(path).of == 0, "it has recovered"
    clock.now += 10 * BEAT_EVERY_S
    heart.reached(3_001)
    assert told(path).seq == 3_001


def test_troubles_and_last_words_are_written_at_once(tmp_path: Path, clock: Clock) -> None:
    heart = Heartbeat(tmp_path / "h")
    heart.trouble("Postgres is read-only")
    assert told(tmp_path / "h").trouble == "Postgres is read-only"
    heart.ended("fenced", "another mirror")
    assert (told(tmp_path / "h").end, told(tmp_path / "h").reason) == ("fenced", "another mirror")


def test_nothing_and_nonsense_say_nothing(tmp_path: Path) -> None:
    assert told(tmp_path / "none") == Told()
    (tmp_path / "other").write_text("not of this version")
    assert told(tmp_path / "other") == Told()
    assert last_beat(tmp_path / "none") == 0.0


def test_a_disk_that_is_full_makes_nobody_look_dead(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    heart = Heartbeat(tmp_path / "h")

    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    clock.now += 100.0
    heart.trouble("the disk is full")
    heart.is_set()
    clock.now += BEAT_EVERY_S
    heart.is_set()
    assert last_beat(tmp_path / "h") == clock.now
    assert os.path.getsize(tmp_path / "h") > 0
