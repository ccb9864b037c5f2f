"""From bytes to a model that computes: checked first, each loaded once, the members of a stack before it."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from titanflow.domain.models import MANIFEST_FILE, REFERENCE_FILE
from titanflow.errors import ModelError
from titanflow.models.checks import faults, read_manifest, read_reference
from titanflow.models.registry import Registry
from titanflow.signal.model import LearnedModel, Models

Files = Mapping[str, bytes]
"""File name -> bytes, the manifest among them."""


def load_model(digest: str, files: Files, members: Sequence[LearnedModel] = ()) -> LearnedModel:
    """A model from its files, every one of which is checked; the report and other evidence may be absent.

    `members` are a stack's, in its manifest's order. Raises ModelError with all that is wrong.
    """
    if wrong := faults(digest, files, known=[member.digest for member in members], serving_only=True):
        raise ModelError(f"model {digest}: " + "; ".join(wrong))
    # Serving brings numpy and the inference libraries, which a session without trained models never loads.
    from titanflow.models.serving import serve

    return serve(read_manifest(files[MANIFEST_FILE]), files, read_reference(files[REFERENCE_FILE]), members)


class Loader:
    """Loads models on demand from wherever `read` finds their files, and keeps them."""

    def __init__(self, read: Callable[[str], Files]) -> None:
        self._read = read
        self._loaded: dict[str, LearnedModel] = {}

    def load(self, digest: str) -> LearnedModel:
        """The model of a digest. Raises ModelError with all that is wrong, also with a stack's members."""
        if digest not in self._loaded:
            self._loaded[digest] = self._load(digest)
        return self._loaded[digest]

    def load_all(self, digests: Iterable[str]) -> Models:
        """Digest -> model. Raises ModelError with all that is wrong with any of them."""
        wrong: list[str] = []
        models = {}
        for digest in digests:
            try:
                models[digest] = self.load(digest)
            except ModelError as error:
                wrong.append(str(error))
        if wrong:
            raise ModelError("; ".join(wrong))
        return models

    def _load(self, digest: str) -> LearnedModel:
        files = self._read(digest)
        return load_model(digest, files, [self.load(member) for member in _members(files)])


def _members(files: Files) -> tuple[str, ...]:
    """A stack's members; none where the manifest cannot be read, which the checks will say."""
    try:
        return read_manifest(files.get(MANIFEST_FILE, b"")).members
    except ModelError:
        return ()


def all_faults(registry: Registry, digest: str) -> list[str]:
    """Everything wrong with a registered model, its report and its members included; [] if it loads.

    Raises ModelMissingError where there is no such model.
    """
    wrong = faults(digest, registry.read(digest), known=registry.digests())
    if wrong:
        return wrong
    try:
        Loader(registry.read).load(digest)
    except ModelError as error:
        return [str(error)]
    return []
