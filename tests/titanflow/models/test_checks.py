"""What keeps a model from being used: each fault is found, named, and told with what was expected."""

import re
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.tiny_models import Files, described, tiny_model_files
from titanflow.domain.models import MANIFEST_FILE, FeatureCode, ModelManifest, digest_of, manifest_bytes
from titanflow.models.checks import SERVED_BY, byte_faults, faults
from titanflow.signal.fingerprint import feature_fingerprint

Tiny = tuple[ModelManifest, Files]
MANIFEST, FILES = tiny_model_files()
WHOLE = {**FILES, MANIFEST_FILE: manifest_bytes(MANIFEST)}
DIGEST = digest_of(MANIFEST)


def faults_with(**changes: object) -> list[str]:
    """Of a model whose manifest says something else, under the digest that fits that."""
    manifest = msgspec.structs.replace(MANIFEST, **changes)
    return faults(digest_of(manifest), {**FILES, MANIFEST_FILE: manifest_bytes(manifest)})


def feature(name: str, fingerprint: str = "") -> tuple[FeatureCode, ...]:
    """The manifest's features with the last one replaced."""
    return (*MANIFEST.features[:-1], FeatureCode(name=name, fingerprint=fingerprint))


def only(found: list[str]) -> str:
    [fault] = found
    return fault


@pytest.mark.parametrize("kind", ["lightgbm", "lstm", "tft", "ppo"])
def test_a_whole_model_has_no_fault(kind: str) -> None:
    manifest, files = tiny_model_files(kind)
    assert faults(digest_of(manifest), {**files, MANIFEST_FILE: manifest_bytes(manifest)}) == []


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_one_flipped_bit_anywhere_is_found_and_the_file_named(name: str, data: st.DataObject) -> None:
    content = bytearray(WHOLE[name])
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    assert any(fault.startswith(name) for fault in byte_faults(DIGEST, {**WHOLE, name: bytes(content)}))


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_a_truncated_file_is_told_from_a_changed_and_a_missing_one(name: str) -> None:
    half = WHOLE[name][: len(WHOLE[name]) // 2]
    without = {other: content for other, content in WHOLE.items() if other != name}
    assert only(byte_faults(DIGEST, without)).startswith(f"{name} is missing")
    cut = byte_faults(DIGEST, {**WHOLE, name: half})
    if name == MANIFEST_FILE:
        assert cut[0].startswith(f"{name} was changed: expected sha256 {DIGEST}")
        assert cut[1].startswith(f"{name} cannot be read")
    else:
        assert only(cut) == f"{name} is truncated: expected {len(WHOLE[name])} bytes, found {len(half)}"
        assert only(byte_faults(DIGEST, {**WHOLE, name: WHOLE[name] + b"\n"})).startswith(f"{name} has grown")


def test_all_that_is_wrong_is_said_at_once() -> None:
    damaged = {**WHOLE, "model.txt": b"tree", "extra.bin": b"1"}
    del damaged["report.html"]
    versions = {**MANIFEST.versions, "lightgbm": "3.0.0"}
    manifest = msgspec.structs.replace(MANIFEST, features=feature("moon_phase"), versions=versions)
    damaged[MANIFEST_FILE] = manifest_bytes(manifest)
    found = " | ".join(faults(digest_of(manifest), damaged))
    for words in (
        "model.txt is truncated",
        "report.html is missing",
        "extra.bin does not belong",
        "moon_phase",
        "3.0.0",
    ):
        assert words in found


def test_evidence_need_not_be_there_to_decide() -> None:
    serving = {name: WHOLE[name] for name in (MANIFEST_FILE, "model.txt", "reference.json")}
    assert faults(DIGEST, serving, serving_only=True) == []
    assert len(faults(DIGEST, serving)) == 2
    del serving["reference.json"]
    assert only(faults(DIGEST, serving, serving_only=True)).startswith("reference.json is missing")


def test_a_feature_that_does_not_exist_is_named_with_those_that_do() -> None:
    found = " | ".join(faults_with(features=feature("moon_phase")))
    assert re.search(r"feature 'moon_phase' does not exist: this version computes return_1, .*spread", found)


def test_a_feature_computed_by_other_code_is_named_with_both_fingerprints() -> None:
    name, true = MANIFEST.features[-1].name, MANIFEST.features[-1].fingerprint
    fault = only(faults_with(features=feature(name, "f" * 64)))
    assert fault.startswith(f"feature {name!r} is computed by other code")
    assert f"expected fingerprint {'f' * 12}, found {true[:12]}" in fault


def test_a_dropped_feature_no_longer_fits_the_reference() -> None:
    fault = only(faults_with(features=MANIFEST.features[:-1]))
    name = MANIFEST.features[-1].name
    assert fault == f"reference.json describes other features than the model reads: it has {name} as well"


def test_a_replaced_feature_and_another_order_do_not_fit_the_reference_either() -> None:
    replaced = faults_with(features=feature("atr", feature_fingerprint("atr")))
    assert only(replaced).endswith(f"it has {MANIFEST.features[-1].name} as well and it lacks atr")
    assert only(faults_with(features=MANIFEST.features[::-1])).endswith("their order is another")


def test_a_feature_that_is_listed_twice_is_named() -> None:
    twice = (*MANIFEST.features[:-1], MANIFEST.features[0])
    assert any(fault == "feature 'return_1' is listed more than once" for fault in faults_with(features=twice))


def test_the_contenders_own_position_may_only_stand_last() -> None:
    position = FeatureCode(name="position", fingerprint="")
    last, first = (*MANIFEST.features, position), (position, *MANIFEST.features)
    assert not any("'position'" in fault for fault in faults_with(features=last))
    assert any("feature 'position' does not exist" in fault for fault in faults_with(features=first))


@pytest.mark.parametrize(
    ("made_with", "installed", "fits"),
    [
        ("4.6.0", "4.6.0", True),
        ("4.6.0", "4.7", True),
        ("4.6", "4.6.1", True),
        ("4.10.0", "4.9.0", False),
        ("4.6.1", "4.6.0", False),
        ("3.3.5", "4.6.0", False),
        ("5.0.0", "4.6.0", False),
        ("4.6.0.99", "4.7.0", True),
        ("banana", "4.6.0", False),
    ],
)
def test_a_library_fits_where_it_is_of_the_same_major_version_and_no_older(
    made_with: str, installed: str, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("titanflow.models.checks.version", lambda _: installed)
    found = faults_with(versions={"lightgbm": made_with})
    assert (found == []) is fits
    assert fits or (made_with in found[0] and installed in found[0] and "lightgbm" in found[0])


def test_a_library_that_the_manifest_does_not_name_is_missed() -> None:
    renamed = {"lightgbn": MANIFEST.versions["lightgbm"]}
    assert only(faults_with(versions=renamed)) == ("the manifest names no version of lightgbm, which serves model.txt")


def test_an_artefact_that_nothing_serves_is_named() -> None:
    found = " | ".join(faults_with(artefact="model.pickle"))
    assert f"artefact 'model.pickle' is of no known kind: expected {' or '.join(SERVED_BY)}" in found
    assert "model.pickle is not among the manifest's files" in found


@pytest.mark.parametrize("name", [MANIFEST_FILE, "reference.json"])
def test_a_byte_that_is_no_text_is_told_like_any_other_damage(name: str) -> None:
    place = WHOLE[name].index(b"return_1")
    spoilt = WHOLE[name][:place] + b"\xff" + WHOLE[name][place + 1 :]
    found = faults(DIGEST, {**WHOLE, name: spoilt})
    assert found[0].startswith(f"{name} was changed")
    assert found[-1].startswith(f"{name} cannot be read: ")


@pytest.mark.parametrize("spoil", [lambda _: b"[]", lambda text: text.replace(b'"precision"', b'"precisely"')])
def test_a_reference_that_cannot_be_read_is_named_even_if_its_hash_fits(spoil: Callable[[bytes], bytes]) -> None:
    files = {**FILES, "reference.json": spoil(FILES["reference.json"])}
    manifest = msgspec.structs.replace(MANIFEST, files=described(files))
    found = faults(digest_of(manifest), {**files, MANIFEST_FILE: manifest_bytes(manifest)})
    assert only(found).startswith("reference.json cannot be read: ")


def test_each_missing_member_of_a_stack_is_named() -> None:
    members = [MANIFEST, tiny_model_files("lstm")[0]]
    manifest, files = tiny_model_files("stack", members=members)
    contents = {**files, MANIFEST_FILE: manifest_bytes(manifest)}
    assert faults(digest_of(manifest), contents, known=[DIGEST]) == [f"member {digest_of(members[1])} is missing"]
    assert faults(digest_of(manifest), contents, known=manifest.members) == []
