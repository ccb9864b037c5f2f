"""The fingerprint of what decides: complete, the same everywhere, and another where a byte of the sources is."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import titanflow
from support.signal_worlds import session
from titanflow.code_identity import DECIDING, Code, check_code, code_here, code_of, difference_of_code
from titanflow.errors import SessionStateError

PACKAGE = Path(titanflow.__file__).parent
OTHER = Code("0.0.9", "ab" * 32)


def test_every_module_that_the_deciders_need_is_in_it() -> None:
    program = "import sys, titanflow.deciders; print('\\n'.join(n for n in sys.modules if n.startswith('titanflow.')))"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    needed = {name.split(".")[1] for name in told}
    assert needed <= {name.removesuffix(".py") for name in DECIDING}


def test_it_is_the_hash_of_the_sources_by_their_names() -> None:
    """Worked out anew: `<path> <length>\\n<text>` of each file, in the order of the paths."""
    files = [path for name in DECIDING for path in (PACKAGE / name, *(PACKAGE / name).rglob("*.py")) if path.is_file()]
    by_name = {path.relative_to(PACKAGE).as_posix(): path.read_bytes() for path in files}
    text = b"".join(f"{name} {len(source)}\n".encode() + source for name, source in sorted(by_name.items()))
    assert code_here() == Code(titanflow.__version__, hashlib.sha256(text).hexdigest())


def test_another_place_and_another_line_ending_change_nothing_and_one_more_comment_does(tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "titanflow"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    program = "from titanflow.code_identity import code_here; print(code_here().fingerprint)"

    def fingerprint() -> str:
        environment = {"PYTHONPATH": str(copy.parent), "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "99"}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    changed = copy / "risk" / "sizing.py"
    changed.write_bytes(changed.read_bytes().replace(b"\n", b"\r\n"))
    assert fingerprint() == code_here().fingerprint
    changed.write_bytes(changed.read_bytes() + b"# another\n")
    assert fingerprint() != code_here().fingerprint


def test_a_difference_names_both_codes() -> None:
    started = msgspec.structs.replace(session([]), code_version=OTHER.version, code_fingerprint=OTHER.fingerprint)
    assert code_of(started) == OTHER
    told = difference_of_code(OTHER, code_here())
    assert "titanflow 0.0.9, code abababababab" in told
    assert code_here().fingerprint[:12] in told
    with pytest.raises(SessionStateError, match="--other-code"):
        check_code(started, allowed=False)
    check_code(started, allowed=True)


@pytest.mark.parametrize("recorded", [Code("0.0.9", ""), code_here()])
def test_the_same_code_or_an_unknown_one_is_no_difference(recorded: Code) -> None:
    assert difference_of_code(recorded, code_here()) == ""
    started = msgspec.structs.replace(session([]), code_version=recorded.version, code_fingerprint=recorded.fingerprint)
    check_code(started, allowed=False)
