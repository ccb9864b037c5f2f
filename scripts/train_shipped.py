"""Train the models that ship with TitanFlow anew, by the command that anyone would use, and put them in their place.

Takes some minutes. The same machine and libraries give the same artefacts; manifests differ by the time of training.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from titanflow.gateway.samples import sample_tape
from titanflow.models.registry import Registry
from titanflow.models.shipped import SHIPPED
from titanflow.models.stages import STAGES_FILE, StageAction, StageChange

KINDS = ("lightgbm", "lstm", "tft", "stack", "ppo")
"""In this order: the stack reads what the first three said out of fold."""
CONFIG = SHIPPED / "training.toml"
SHIPPER = "TitanFlow"


def main() -> None:
    """Replace what is shipped. The old ones stand aside meanwhile, or a new model would name one as its parent."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="tf-models-") as home, tempfile.TemporaryDirectory() as aside:
        old = [place for place in SHIPPED.iterdir() if len(place.name) == 64 or place.name == STAGES_FILE]
        for place in old:
            shutil.move(place, aside)
        try:
            for kind in KINDS:
                train(kind, Path(home))
        except BaseException:
            for place in old:
                shutil.move(Path(aside) / place.name, place)
            raise
        ship(Registry(Path(home)))


def train(kind: str, home: Path) -> None:
    """Run `titanflow train`."""
    command = ("train", kind, "--data", str(sample_tape()), "--config", str(CONFIG))
    environment = {**os.environ, "TITANFLOW_HOME": str(home)}
    subprocess.run([sys.executable, "-m", "titanflow", *command], env=environment, check=True)


def ship(registry: Registry) -> None:
    """Copy every model, as the champion of its name."""
    lines = []
    for model in registry.models():
        shutil.copytree(registry.folder(model.digest), SHIPPED / model.digest)
        change = StageChange(
            at=time.time_ns(), who=SHIPPER, action=StageAction.PROMOTE, name=model.name, digest=model.digest,
            reason="shipped as the first of its name",
        )  # fmt: skip
        lines.append(msgspec.json.encode(change) + b"\n")
    (SHIPPED / STAGES_FILE).write_bytes(b"".join(lines))


if __name__ == "__main__":
    main()
