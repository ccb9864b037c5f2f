"""The log of stages: what its lines add up to, and what a crash or a second process may do to it."""

import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.waiting import PATIENCE_S
from titanflow.errors import ModelError
from titanflow.models.stages import STAGES_FILE, Stage, StageAction, StageChange, StageLog, Stages

PROMOTIONS = 15


def change(action: StageAction, digest: str, name: str = "lightgbm", replaced: str = "") -> StageChange:
    return StageChange(at=1, who="ada", action=action, name=name, digest=digest, replaced=replaced)


def promotion(digest: str, name: str = "lightgbm") -> StageChange:
    return change(StageAction.PROMOTE, digest, name)


def test_a_model_that_no_line_mentions_is_a_candidate() -> None:
    assert Stages([]).of("a") is Stage.CANDIDATE
    assert Stages([change(StageAction.REGISTER, "a")]).of("a") is Stage.CANDIDATE


def test_promoting_one_retires_the_champion_of_its_name_and_no_other() -> None:
    stages = Stages([promotion("a"), promotion("x", "lstm"), promotion("b")])
    assert (stages.of("a"), stages.of("b"), stages.of("x")) == (Stage.RETIRED, Stage.CHAMPION, Stage.CHAMPION)
    assert stages.champions == {"lightgbm": "b", "lstm": "x"}


def test_rolling_back_brings_the_parent_in_and_retires_the_champion() -> None:
    stages = Stages([promotion("a"), promotion("b"), change(StageAction.ROLL_BACK, "a", replaced="b")])
    assert (stages.of("a"), stages.of("b")) == (Stage.CHAMPION, Stage.RETIRED)


def test_registering_a_champion_again_takes_nothing_from_it() -> None:
    assert Stages([promotion("a"), change(StageAction.REGISTER, "a")]).of("a") is Stage.CHAMPION


@settings(max_examples=60, deadline=None)
@given(st.lists(st.builds(change, st.sampled_from(StageAction), st.sampled_from("abcd"))))
def test_a_name_never_has_two_champions(changes: list[StageChange]) -> None:
    stages = Stages(changes)
    champions = [digest for digest in "abcd" if stages.of(digest) is Stage.CHAMPION]
    assert champions == list(stages.champions.values())
    assert len(champions) <= 1


def test_the_users_log_has_the_last_word_over_the_shipped_one(tmp_path: Path) -> None:
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    StageLog(shipped, tmp_path / "none").change(lambda _: promotion("s"))
    log = StageLog(own, shipped)
    assert log.stages().champions == {"lightgbm": "s"}
    log.change(lambda _: promotion("mine"))
    assert log.stages().champions == {"lightgbm": "mine"}
    assert log.stages().of("s") is Stage.RETIRED
    assert (shipped / STAGES_FILE).read_text().count("\n") == 1, "the shipped log is only read"


def test_a_line_torn_by_a_crash_does_not_count_and_hinders_nobody(tmp_path: Path) -> None:
    log = StageLog(tmp_path, tmp_path / "none")
    log.change(lambda _: promotion("a"))
    whole = log.path.read_bytes()
    log.path.write_bytes(whole + whole[: len(whole) // 2])
    assert log.stages().champions == {"lightgbm": "a"}
    log.change(lambda _: promotion("b"))
    assert [each.digest for each in log.history()] == ["a", "b"]


@pytest.mark.parametrize("line", [b'{"at": "yesterday"}\n', b"\xff\xfe\n", b"\n"])
def test_a_line_that_is_no_change_is_named_with_its_number(tmp_path: Path, line: bytes) -> None:
    log = StageLog(tmp_path, tmp_path / "none")
    log.change(lambda _: promotion("a"))
    with log.path.open("ab") as file:
        file.write(line)
    with pytest.raises(ModelError, match=rf"{STAGES_FILE}: line 2 is no stage change"):
        log.stages()


def promote_many(folder: Path, prefix: str) -> None:
    log = StageLog(folder, folder / "none")
    for number in range(PROMOTIONS):
        log.change(
            lambda stages, number=number: change(  # type: ignore[misc]
                StageAction.PROMOTE, f"{prefix}{number}", replaced=stages.champions.get("lightgbm", "")
            )
        )


def test_two_processes_that_promote_at_once_form_one_chain(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=promote_many, args=(tmp_path, prefix)) for prefix in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE_S)
        assert process.exitcode == 0
    history = StageLog(tmp_path, tmp_path / "none").history()
    assert len(history) == 2 * PROMOTIONS
    assert [each.replaced for each in history] == ["", *(each.digest for each in history[:-1])]
