"""From files to a model that answers; what is damaged ends as one clear error, never as a dead process."""

import subprocess
import sys
import textwrap
from pathlib import Path

import msgspec
import pytest

from support.tiny_models import Files, described, install, tiny_model_files
from support.waiting import PATIENCE_S
from titanflow.domain.models import MANIFEST_FILE, ModelManifest, digest_of, manifest_bytes
from titanflow.errors import ModelError, ModelMissingError
from titanflow.models.loading import Loader, all_faults, load_model
from titanflow.models.registry import Registry

Tiny = tuple[ModelManifest, Files]
SCALED_ROW = (8e-4, 2e-3, 64.0, 3e-4, 0.85, 1.2)


def whole(model: Tiny) -> dict[str, bytes]:
    return {**model[1], MANIFEST_FILE: manifest_bytes(model[0])}


def with_artefact(model: Tiny, content: bytes) -> tuple[str, dict[str, bytes]]:
    """A model whose hashes fit an artefact that is nonsense."""
    files = {**model[1], model[0].artefact: content}
    manifest = msgspec.structs.replace(model[0], files=described(files))
    return digest_of(manifest), whole((manifest, files))


@pytest.mark.parametrize("kind", ["lightgbm", "lstm", "tft"])
def test_a_model_of_each_kind_loads_and_answers(kind: str) -> None:
    model = tiny_model_files(kind)
    loaded = load_model(digest_of(model[0]), whole(model))
    assert (loaded.digest, loaded.manifest) == (digest_of(model[0]), model[0])
    inference = loaded.infer("AAPL.XNYS", (SCALED_ROW,) * model[0].window)
    assert 0.5 < inference.probability < 1, "the price has risen, and that is what it was taught to follow"


def test_every_fault_stands_in_the_one_error(lightgbm: Tiny) -> None:
    files = whole(lightgbm)
    files["model.txt"] = files["model.txt"][:100]
    del files["reference.json"]
    with pytest.raises(ModelError) as caught:
        load_model(digest_of(lightgbm[0]), files)
    for words in (digest_of(lightgbm[0]), "model.txt is truncated", "reference.json is missing"):
        assert words in str(caught.value)


def test_a_stack_is_loaded_with_its_members_each_once(registry: Registry, lightgbm: Tiny, lstm: Tiny) -> None:
    registry.add(*lightgbm)
    registry.add(*lstm)
    stack = registry.add(*tiny_model_files("stack", members=(lightgbm[0], lstm[0])))
    read: list[str] = []

    def reading(digest: str) -> dict[str, bytes]:
        read.append(digest)
        return registry.read(digest)

    models = Loader(reading).load_all([stack, digest_of(lightgbm[0]), digest_of(lstm[0])])
    assert models.keys() == set(read)
    assert len(read) == 3
    manifest = models[stack].manifest
    assert models[stack].infer("SPY.ARCX", (SCALED_ROW,) * manifest.window).probability > 0.5


def test_a_stack_whose_member_is_damaged_or_gone_is_not_loaded(registry: Registry, lightgbm: Tiny, lstm: Tiny) -> None:
    member = registry.add(*lightgbm)
    registry.add(*lstm)
    stack = registry.add(*tiny_model_files("stack", members=(lightgbm[0], lstm[0])))
    (registry.folder(member) / "model.txt").write_bytes(b"")
    with pytest.raises(ModelError, match=rf"model {member}: model\.txt is truncated"):
        Loader(registry.read).load(stack)
    assert any("model.txt is truncated" in fault for fault in all_faults(registry, stack))
    for path in registry.folder(member).iterdir():
        path.unlink()
    registry.folder(member).rmdir()
    with pytest.raises(ModelMissingError, match=f"model {member} is missing"):
        Loader(registry.read).load(stack)
    assert all_faults(registry, stack) == [f"member {member} is missing"]


def test_all_that_is_wrong_with_several_models_is_said_at_once(lightgbm: Tiny, lstm: Tiny) -> None:
    files = {digest_of(model[0]): {**whole(model), model[0].artefact: b""} for model in (lightgbm, lstm)}
    with pytest.raises(ModelError, match=r"model\.txt is truncated.*model\.onnx is truncated"):
        Loader(lambda digest: files[digest]).load_all(files)


@pytest.mark.parametrize("content", [b"", b"\x08\x08", b"not a network", bytes(4096)])
def test_a_network_that_fits_its_hash_but_is_none_is_a_clear_error(lstm: Tiny, content: bytes) -> None:
    with pytest.raises(ModelError, match=r"model\.onnx"):
        load_model(*with_artefact(lstm, content))


def spoiled_trees(text: str) -> list[str]:
    """Texts that say wrong things of themselves, as a careless hand or a bad disk leaves them."""
    lines = text.splitlines(keepends=True)
    first = {line.split("=")[0]: number for number, line in reversed(list(enumerate(lines))) if "=" in line}

    def replaced(name: str, value: str) -> str:
        return "".join([*lines[: first[name]], f"{name}={value}\n", *lines[first[name] + 1 :]])

    return [
        "",
        "tree\n",
        text[: len(text) // 2],
        text[len(text) // 2 :],
        replaced("num_leaves", "1000000"),
        replaced("num_leaves", "-1"),
        replaced("left_child", "900000 1 2 3 4 5"),
        replaced("split_feature", "77 77 77 77 77 77"),
        replaced("threshold", "a b c"),
        replaced("leaf_value", "nan"),
        replaced("tree_sizes", "1 2 3"),
        replaced("max_feature_idx", "90000"),
        replaced("num_class", "0"),
        replaced("feature_names", "a b"),
    ]


def test_no_text_that_fits_its_hash_but_is_no_forest_ends_the_process(tmp_path: Path, lightgbm: Tiny) -> None:
    digests = []
    for text in spoiled_trees(lightgbm[1]["model.txt"].decode()):
        digest, files = with_artefact(lightgbm, text.encode())
        manifest = msgspec.json.decode(files.pop(MANIFEST_FILE), type=ModelManifest)
        assert install(tmp_path, manifest, files) == digest
        digests.append(digest)
    program = textwrap.dedent(
        f"""
        from pathlib import Path
        from titanflow.errors import ModelError
        from titanflow.models.loading import Loader
        from titanflow.models.registry import Registry

        registry = Registry(Path({str(tmp_path)!r}))
        for digest in {digests!r}:
            try:
                model = Loader(registry.read).load(digest)
                model.infer("AAPL.XNYS", ({SCALED_ROW!r},))
                model.explain("AAPL.XNYS", ({SCALED_ROW!r},), 1)
                print("answers")
            except ModelError as error:
                print("refused", error)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S, check=False, cwd=tmp_path
    )
    answers = done.stdout.splitlines()
    assert done.returncode == 0, (len(answers), done.stderr[-2000:])
    assert len(answers) == len(digests)
    refused = [answer for answer in answers if answer.startswith("refused")]
    assert len(refused) >= len(digests) - 4, "most of this is no forest"
    assert all("model.txt" in answer for answer in refused)


def test_loading_imports_none_of_what_only_training_needs(tmp_path: Path, lightgbm: Tiny, lstm: Tiny) -> None:
    digests = [install(tmp_path, *model) for model in (lightgbm, lstm)]
    program = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        from titanflow.models.loading import Loader
        from titanflow.models.registry import Registry

        registry = Registry(Path({str(tmp_path)!r}))
        assert "numpy" not in sys.modules, "a session without trained models needs none"
        Loader(registry.read).load_all({digests!r})
        print(*sorted({{"torch", "shap", "sklearn", "pandas", "lightgbm", "matplotlib"}} & sys.modules.keys()))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert done.stdout.strip() == ""
