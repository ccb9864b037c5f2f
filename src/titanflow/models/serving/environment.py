"""What the floating-point results of serving depend on: library versions and the processor, as a session records them.

Where two processes report the same, their scores are the same to the bit.
"""

import platform
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("lightgbm", "numpy", "onnxruntime")
CPU_INFO = Path("/proc/cpuinfo")
VECTOR_FLAGS = ("sse4", "avx", "fma", "f16c", "amx", "asimd", "sve", "bf16", "i8mm")
"""Beginnings of the processor's flags by which numerical libraries choose how they compute."""


def serving_environment() -> tuple[tuple[str, str], ...]:
    """(what, value) in a fixed order; imports none of the libraries. An empty value: the system does not tell."""
    described = _cpu_info(CPU_INFO.read_text(errors="replace")) if CPU_INFO.exists() else {}
    flags = described.get("flags", described.get("Features", "")).split()
    return (
        *((library, version(library)) for library in LIBRARIES),
        ("system", platform.system()),
        ("libc", " ".join(platform.libc_ver()).strip()),
        ("machine", platform.machine()),
        ("processor", _processor(described)),
        ("vector_flags", " ".join(sorted(flag for flag in flags if flag.startswith(VECTOR_FLAGS)))),
    )


def _cpu_info(text: str) -> dict[str, str]:
    first_processor = text.strip().split("\n\n", 1)[0]
    pairs = (line.partition(":") for line in first_processor.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _processor(described: dict[str, str]) -> str:
    names = ("vendor_id", "cpu family", "model", "model name", "CPU implementer", "CPU architecture", "CPU part")
    return " ".join(described[name] for name in names if described.get(name)) or platform.processor()
