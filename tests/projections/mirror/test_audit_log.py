"""The audit file: each record once and in order, whatever state a crash left the file in."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import redis

from projections.mirror.audit_log import AuditLog
from projections.mirror.mirror import Mirror
from support.mirrored_ledger import append, audit_records
from support.mirrored_story import story
from support.waiting import PATIENCE_S
from titanflow.errors import InputError, ServerError
from titanflow.runtime.ledgers import EventLedger, new_ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "audit.jsonl"


def mirror_to(ledger: EventLedger, client: redis.Redis, path: Path) -> None:
    """One mirror's life: recover, catch up, close."""
    with closing(Mirror(ledger, client, path)) as mirror:
        mirror.catch_up()


def written(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """This process may not make a file larger: writing beyond fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_every_audit_record_is_a_line_with_its_seq_and_session(
    ledger: EventLedger, redis_client: redis.Redis, path: Path
) -> None:
    append(ledger, story())
    mirror_to(ledger, redis_client, path)
    records = written(path)
    assert records == audit_records(ledger)
    assert all(record["session_id"] == ledger.session for record in records)
    silent = {1, 2, 3, 4, 5, 9, 12, 18, 22, 26, 27, 28, 32}
    assert [record["seq"] for record in records] == [seq for seq in range(1, len(story()) + 1) if seq not in silent]


@pytest.mark.parametrize("kept", range(0, 5000, 397))
def test_a_file_cut_anywhere_is_made_whole_again(
    ledger: EventLedger, redis_client: redis.Redis, path: Path, kept: int
) -> None:
    append(ledger, story())
    mirror_to(ledger, redis_client, path)
    whole = path.read_bytes()
    assert len(whole) > 5000
    path.write_bytes(whole[:kept])
    mirror_to(ledger, redis_client, path)
    assert path.read_bytes() == whole


def test_a_file_that_is_ahead_of_the_checkpoint_gets_no_line_twice(
    ledger: EventLedger, redis_client: redis.Redis, path: Path
) -> None:
    # As after a server that lost its last second: the file was written, the checkpoint was not kept.
    append(ledger, story())
    mirror_to(ledger, redis_client, path)
    whole = path.read_bytes()
    redis_client.hset(f"titanflow:{{{ledger.session}}}:checkpoints", "mirror", "9")
    mirror_to(ledger, redis_client, path)
    assert path.read_bytes() == whole


def test_a_file_named_only_later_gets_what_was_mirrored_before(
    ledger: EventLedger, redis_client: redis.Redis, path: Path
) -> None:
    append(ledger, story())
    with closing(Mirror(ledger, redis_client)) as mirror:
        mirror.catch_up()
    mirror_to(ledger, redis_client, path)
    assert written(path) == audit_records(ledger)


def test_sessions_share_a_file_and_each_finds_its_own_last_line(
    ledger: EventLedger, redis_client: redis.Redis, path: Path
) -> None:
    append(ledger, story()[:12])
    mirror_to(ledger, redis_client, path)
    with closing(new_ledger(redis_client, f"{ledger.session}-2")) as second:
        append(second, story())
        mirror_to(second, redis_client, path)
        append(ledger, story()[12:])
        mirror_to(ledger, redis_client, path)
        for each in (ledger, second):
            own = [record for record in written(path) if record["session_id"] == each.session]
            assert own == audit_records(each)


def test_a_file_of_something_else_keeps_its_last_line(
    ledger: EventLedger, redis_client: redis.Redis, path: Path
) -> None:
    path.parent.mkdir()
    path.write_text("first note\nlast note, without an end of line")
    append(ledger, story())
    mirror_to(ledger, redis_client, path)
    lines = path.read_text().splitlines()
    assert lines[:2] == ["first note", "last note, without an end of line"]
    assert [json.loads(line) for line in lines[2:]] == audit_records(ledger)


def test_a_damaged_line_is_passed_over_when_looking_for_the_last(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"seq":7,"session_id":"s"}\n{"seq":,"session_id":"s"}\n')
    with closing(AuditLog(path, "s")) as audit_log:
        assert audit_log.last_seq == 7


def test_a_session_whose_name_begins_like_another_is_told_apart(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"seq":7,"session_id":"day-10"}\n{"seq":3,"session_id":"day-1"}\n')
    with closing(AuditLog(path, "day-1")) as audit_log:
        assert audit_log.last_seq == 3


def test_a_full_disk_stops_nothing_and_what_it_refused_is_written_later(
    ledger: EventLedger, redis_client: redis.Redis, path: Path
) -> None:
    with closing(Mirror(ledger, redis_client, path)) as mirror:
        append(ledger, story()[:12])
        with files_no_larger_than(1_000):
            mirror.catch_up()
            append(ledger, story()[12:20])
            mirror.catch_up()
            assert mirror.position == 20
            assert path.stat().st_size == 1_000
        append(ledger, story()[20:])
        mirror.catch_up()
        assert written(path) == audit_records(ledger)


def test_what_a_full_disk_refused_to_the_end_is_written_by_the_next_mirror(
    ledger: EventLedger, redis_client: redis.Redis, path: Path
) -> None:
    append(ledger, story())
    with files_no_larger_than(1_000):
        mirror_to(ledger, redis_client, path)
    assert path.stat().st_size == 1_000
    mirror_to(ledger, redis_client, path)
    assert written(path) == audit_records(ledger)


def test_a_path_that_cannot_be_a_file_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "note").touch()
    for path in (tmp_path, tmp_path / "note" / "audit.jsonl", Path("/dev/full")):
        with pytest.raises(InputError, match=f"AUDIT_LOG_PATH {path}"):
            AuditLog(path, "s")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_file_without_permission_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.touch(mode=0o400)
    with pytest.raises(InputError, match="Permission denied"):
        AuditLog(path, "s")


def test_a_last_line_far_from_the_end_is_found(path: Path) -> None:
    path.parent.mkdir()
    others = '{"seq":9,"session_id":"other"}\n' * 50_000
    path.write_text('{"seq":6,"session_id":"s"}\n{"seq":7,"session_id":"s"}\n' + others)
    with closing(AuditLog(path, "s")) as audit_log:
        assert audit_log.last_seq == 7


def test_two_processes_never_write_the_records_of_one_session(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"seq":7,"session_id":"s"}\n{"schema_version":"1.0","se')
    holder = (
        "import sys; from pathlib import Path; from projections.mirror.audit_log import AuditLog;"
        "log = AuditLog(Path(sys.argv[1]), 's'); print('held', flush=True); sys.stdin.read(); log.close()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(ServerError, match="another process"):
            AuditLog(path, "s")
        AuditLog(path, "another").close()
        process.communicate(timeout=PATIENCE_S)
    AuditLog(path, "s").close()
