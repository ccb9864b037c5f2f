"""The registry: folders that appear whole, references that people write, promotion and the way back."""

from pathlib import Path

import msgspec
import pytest

from support.tiny_models import Files, install, tiny_model_files
from titanflow.domain.models import MANIFEST_FILE, ModelManifest, digest_of
from titanflow.errors import InputError, ModelError, ModelMissingError
from titanflow.models.registry import Registry
from titanflow.models.stages import Stage, StageAction

Tiny = tuple[ModelManifest, Files]


def successor(parent: str = "", seed: int = 8) -> Tiny:
    return tiny_model_files(parent=parent, seed=seed)


def test_a_model_that_is_added_is_a_candidate_under_the_digest_of_its_manifest(
    registry: Registry, lightgbm: Tiny
) -> None:
    manifest, files = lightgbm
    digest = registry.add(manifest, files, who="ada", reason="nightly")
    assert digest == digest_of(manifest)
    assert registry.manifest(digest) == manifest
    assert registry.read(digest).keys() == {*files, MANIFEST_FILE}
    assert registry.model(digest).stage is Stage.CANDIDATE
    [registered] = registry.history("lightgbm")
    assert (registered.action, registered.who, registered.reason) == (StageAction.REGISTER, "ada", "nightly")


def test_the_list_of_files_is_filled_in(registry: Registry, lightgbm: Tiny) -> None:
    manifest, files = lightgbm
    draft = msgspec.structs.replace(manifest, files=())
    assert registry.manifest(registry.add(draft, files)) == manifest


def test_adding_the_same_model_twice_changes_nothing(registry: Registry, lightgbm: Tiny) -> None:
    digest = registry.add(*lightgbm)
    before = (registry.folder(digest) / MANIFEST_FILE).stat()
    assert registry.add(*lightgbm) == digest
    assert (registry.folder(digest) / MANIFEST_FILE).stat() == before
    assert len(registry.history("lightgbm")) == 1


def test_a_folder_that_is_not_finished_is_no_model_and_leaves_nothing_behind(
    registry: Registry, lightgbm: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        registry.add(*lightgbm)
    assert registry.digests() == ()
    assert list(registry.path.iterdir()) == []


def test_a_model_that_could_not_be_loaded_is_not_added(registry: Registry, lightgbm: Tiny) -> None:
    manifest, files = lightgbm
    foreign = msgspec.structs.replace(manifest, versions={**manifest.versions, "lightgbm": "99.0.0"})
    with pytest.raises(ModelError, match=r"lightgbm 4\S+ is installed, but the model was made with 99\.0\.0"):
        registry.add(foreign, files)
    assert registry.digests() == ()


def test_adding_over_a_damaged_folder_says_so(registry: Registry, lightgbm: Tiny) -> None:
    digest = registry.add(*lightgbm)
    (registry.folder(digest) / "model.txt").write_bytes(b"")
    with pytest.raises(ModelError, match=r"model\.txt is truncated"):
        registry.add(*lightgbm)


@pytest.mark.parametrize("name", ["", "Light", "../up", "1st", "a b", "deadbeef", "x" * 41])
def test_a_name_that_nobody_could_refer_to_is_refused(registry: Registry, lightgbm: Tiny, name: str) -> None:
    manifest, files = lightgbm
    with pytest.raises(InputError, match="cannot name a model"):
        registry.add(msgspec.structs.replace(manifest, name=name), files)


@pytest.mark.parametrize("name", ["../model.txt", "", MANIFEST_FILE, ".hidden"])
def test_a_file_name_that_leads_out_of_the_folder_is_refused(registry: Registry, lightgbm: Tiny, name: str) -> None:
    manifest, files = lightgbm
    with pytest.raises(InputError, match="cannot name a file"):
        registry.add(manifest, {**files, name: b""})


def test_people_refer_to_the_champion_by_name_to_the_newest_candidate_and_to_any_by_digest(registry: Registry) -> None:
    first = registry.add(*tiny_model_files(trained_until=1_700_600_000_000_000_000))
    second = registry.add(*tiny_model_files(trained_until=1_700_700_000_000_000_000))
    third = registry.add(*tiny_model_files(trained_until=1_700_800_000_000_000_000))
    assert registry.find("lightgbm@candidate") == third
    registry.promote(first)
    assert registry.find("lightgbm") == registry.find("lightgbm@champion") == first
    assert registry.find(second) == registry.find(second[:8]) == second


def test_a_reference_that_fits_nothing_is_answered_with_what_there_is(registry: Registry, lightgbm: Tiny) -> None:
    with pytest.raises(ModelMissingError, match=r"holds no model; `titanflow train` makes one"):
        registry.find("lightgbm")
    digest = registry.add(*lightgbm)
    there_is = rf"there are lightgbm {digest[:12]} \(candidate\)"
    for reference in ("lstm", "0" * 8, digest[:7], "lstm@candidate"):
        with pytest.raises(ModelMissingError, match=there_is):
            registry.find(reference)
    with pytest.raises(ModelMissingError, match=f"'lightgbm' has no champion; {there_is}"):
        registry.find("lightgbm")
    with pytest.raises(ModelMissingError, match="lightgbm@best: expected"):
        registry.find("lightgbm@best")


def test_promotion_retires_the_champion_until_now(registry: Registry, lightgbm: Tiny) -> None:
    first, second = registry.add(*lightgbm), registry.add(*successor())
    registry.promote(first)
    change = registry.promote(second, who="ada", reason="higher AUC")
    assert (change.digest, change.replaced, change.who, change.reason) == (second, first, "ada", "higher AUC")
    assert (registry.model(first).stage, registry.model(second).stage) == (Stage.RETIRED, Stage.CHAMPION)
    registry.promote(first)
    assert registry.find("lightgbm") == first, "one that was retired may come back"


def test_the_champion_cannot_be_promoted_again(registry: Registry, lightgbm: Tiny) -> None:
    digest = registry.add(*lightgbm)
    registry.promote(digest)
    with pytest.raises(ModelError, match="is the champion of 'lightgbm' already"):
        registry.promote(digest)
    assert len(registry.history("lightgbm")) == 2


def test_a_damaged_model_is_not_promoted(registry: Registry, lightgbm: Tiny) -> None:
    digest = registry.add(*lightgbm)
    (registry.folder(digest) / "model.txt").unlink()
    with pytest.raises(ModelError, match=r"model\.txt is missing"):
        registry.promote(digest)


def test_rolling_back_brings_the_parent_back_step_by_step(registry: Registry, lightgbm: Tiny) -> None:
    first = registry.add(*lightgbm)
    second = registry.add(*successor(first, 8))
    third = registry.add(*successor(second, 9))
    for digest in (first, second, third):
        registry.promote(digest)
    assert registry.rollback("lightgbm").digest == second
    assert registry.rollback("lightgbm", reason="still bad").digest == first
    assert [registry.model(digest).stage for digest in (first, second, third)] == ["champion", "retired", "retired"]
    with pytest.raises(ModelError, match=r"has no parent to go back to"):
        registry.rollback("lightgbm")


def test_there_is_no_way_back_to_a_parent_that_is_gone_or_damaged(registry: Registry, lightgbm: Tiny) -> None:
    orphan = registry.add(*successor("f" * 64))
    registry.promote(orphan)
    with pytest.raises(ModelMissingError, match=f"model {'f' * 64} is missing"):
        registry.rollback("lightgbm")
    parent = registry.add(*lightgbm)
    registry.promote(registry.add(*successor(parent, 10)))
    (registry.folder(parent) / "reference.json").write_bytes(b"{}")
    with pytest.raises(ModelError, match=r"reference\.json is truncated"):
        registry.rollback("lightgbm")


def test_rolling_back_a_name_without_a_champion_says_what_there_is(registry: Registry, lightgbm: Tiny) -> None:
    registry.add(*lightgbm)
    with pytest.raises(ModelMissingError, match="'lightgbm' has no champion"):
        registry.rollback("lightgbm")


def test_shipped_models_are_found_and_promoted_but_never_written(tmp_path: Path, lightgbm: Tiny) -> None:
    shipper = Registry(tmp_path / "build", tmp_path / "none")
    shipped = shipper.add(*lightgbm)
    shipper.promote(shipped)
    before = {path: path.stat().st_mtime_ns for path in shipper.path.rglob("*")}
    registry = Registry(tmp_path / "home", shipper.path)
    assert registry.model(registry.find("lightgbm")).shipped
    assert registry.add(*lightgbm) == shipped
    own = registry.add(*successor(shipped))
    registry.promote(own)
    assert (registry.find("lightgbm"), registry.model(own).shipped) == (own, False)
    assert registry.rollback("lightgbm").digest == shipped
    assert {path: path.stat().st_mtime_ns for path in shipper.path.rglob("*")} == before


def test_a_damaged_manifest_is_listed_and_hides_no_other_model(registry: Registry, lightgbm: Tiny, lstm: Tiny) -> None:
    digest, other = registry.add(*lightgbm), registry.add(*lstm)
    registry.promote(digest)
    (registry.folder(digest) / MANIFEST_FILE).write_bytes(b"{")
    assert {model.digest: model.manifest is None for model in registry.models()} == {digest: True, other: False}
    assert registry.find("lightgbm") == digest, "the log still knows the champion"
    with pytest.raises(ModelError, match=r"manifest\.json is missing or was changed"):
        registry.manifest(digest)


def test_a_model_copied_in_by_hand_is_a_candidate(registry: Registry, lightgbm: Tiny) -> None:
    digest = install(registry.path.parent, *lightgbm)
    assert registry.find("lightgbm@candidate") == digest
    assert registry.history("lightgbm") == []
