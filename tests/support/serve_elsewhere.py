"""Serves models from their folders in a process of its own and says as JSON what came of it.

`python serve_elsewhere.py use FOLDER …` · `python serve_elsewhere.py damage FOLDER COUNT`
A stack comes after its members.
"""

import hashlib
import json
import random
import sys
from pathlib import Path
from typing import Any

import msgspec
import onnxruntime  # noqa: F401 - its import starts a thread, which is none of those that are counted

from titanflow.domain.models import MANIFEST_FILE, REFERENCE_FILE, ModelManifest, ModelReference
from titanflow.errors import ModelError
from titanflow.models.serving import serve

FORBIDDEN = ("torch", "shap", "pandas", "lightgbm", "sklearn", "matplotlib", "onnx", "titanflow.training")
SPY = "SPY.ARCX"


def read(folder: Path) -> tuple[ModelManifest, dict[str, bytes], ModelReference]:
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    manifest = msgspec.json.decode(files[MANIFEST_FILE], type=ModelManifest)
    return manifest, files, msgspec.json.decode(files[REFERENCE_FILE], type=ModelReference)


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def use(*folders: str) -> dict[str, Any]:
    """Infer and explain with each model; what a digest of all the answers is, and what was imported and started."""
    before, models, answers = threads(), [], []
    for folder in folders:
        manifest, files, reference = read(Path(folder))
        model = serve(manifest, files, reference, models)
        models.append(model)
        answers += [repr(model.infer(SPY, window)) for window in reference.background]
        answers += [repr(model.explain(SPY, window, seed)) for seed, window in enumerate(reference.background)]
    return {
        "digest": hashlib.sha256("\n".join(answers).encode()).hexdigest(),
        "imported": [name for name in FORBIDDEN if name in sys.modules],
        "threads_started": threads() - before,
    }


def damage(folder: str, count: str) -> dict[str, int]:
    """Change or cut the artefact in many ways, with no hash to tell: each is refused or answers, and nothing else."""
    manifest, files, reference = read(Path(folder))
    whole, choice, refused = files[manifest.artefact], random.Random(7), 0
    for _ in range(int(count)):
        broken = bytearray(whole)
        for _ in range(choice.choice((1, 1, 3))):
            broken[choice.randrange(len(broken))] = choice.randrange(256)
        if choice.random() < 0.3:
            del broken[choice.randrange(len(broken)) :]
        try:
            model = serve(manifest, {**files, manifest.artefact: bytes(broken)}, reference)
        except ModelError:
            refused += 1
        else:
            model.explain(SPY, reference.background[0], 1)
    return {"refused": refused}


if __name__ == "__main__":
    command, *given = sys.argv[1:]
    print(json.dumps({"use": use, "damage": damage}[command](*given)))
