"""What a session records of the place where models are served."""

from importlib.metadata import version

from titanflow.models.serving import environment
from titanflow.models.serving.environment import serving_environment

X86 = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 106
model name\t: Xeon
flags\t\t: fpu sse4_2 avx2 fma hypervisor avx512f

processor\t: 1
vendor_id\t: Other
"""
ARM = """processor\t: 0
Features\t: fp asimd crc32 sve
CPU implementer\t: 0x41
CPU architecture: 8
CPU part\t: 0xd40
"""


def described(monkeypatch, tmp_path, text: str) -> dict[str, str]:
    path = tmp_path / "cpuinfo"
    path.write_text(text)
    monkeypatch.setattr(environment, "CPU_INFO", path)
    return dict(serving_environment())


def test_the_libraries_that_compute_are_named_with_their_versions():
    found = dict(serving_environment())
    assert {name: found[name] for name in ("lightgbm", "numpy", "onnxruntime")} == {
        name: version(name) for name in ("lightgbm", "numpy", "onnxruntime")
    }


def test_the_same_place_is_told_the_same_way():
    assert serving_environment() == serving_environment()


def test_an_x86_processor_is_told_by_its_model_and_vector_units(monkeypatch, tmp_path):
    found = described(monkeypatch, tmp_path, X86)
    assert found["processor"] == "GenuineIntel 6 106 Xeon"
    assert found["vector_flags"] == "avx2 avx512f fma sse4_2"


def test_an_arm_processor_is_told_by_its_part_and_vector_units(monkeypatch, tmp_path):
    found = described(monkeypatch, tmp_path, ARM)
    assert found["processor"] == "0x41 8 0xd40"
    assert found["vector_flags"] == "asimd sve"


def test_a_system_that_tells_no_processor_still_has_an_environment(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "CPU_INFO", tmp_path / "missing")
    assert [name for name, _ in serving_environment()] == [
        "lightgbm", "numpy", "onnxruntime", "system", "libc", "machine", "processor", "vector_flags",
    ]  # fmt: skip
