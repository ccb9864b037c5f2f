"""LightGBM's shared library spoken to directly: one margin or one TreeSHAP explanation of a row in microseconds.

The library is found beside the Python package, which is not imported: that would cost a second and a half.
"""

import ctypes
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from weakref import finalize

import numpy as np

from titanflow.domain.types import InstrumentId
from titanflow.errors import ModelError
from titanflow.models.serving.lightgbm_text import check_text
from titanflow.models.serving.scoring import Scores, Windows
from titanflow.signal.model import FeatureRow, Window

LIBRARY_NAMES = ("lib_lightgbm.so", "lib_lightgbm.dylib", "lib_lightgbm.dll")
PARAMETERS = b"num_threads=1 verbosity=-1"
_FLOAT64 = 1
_RAW_SCORE = 1
_CONTRIBUTIONS = 3
_ALL_TREES = -1
_ROW_MAJOR = 1


class NativeBooster:
    """A LightGBM model of one margin a row. Not for several threads at once: its buffers are reused."""

    def __init__(self, artefact: bytes, features: Sequence[str]) -> None:
        """Raises ModelError where the text cannot be read or has other inputs than `features`."""
        self._inputs = len(features)
        self._library = _library()
        self._handle = self._load(check_text(artefact, features))
        self._row: Any = (ctypes.c_double * self._inputs)()
        self._out = (ctypes.c_double * (self._inputs + 1))()
        self._count = ctypes.c_int64()
        self._predict = self._library.LGBM_BoosterPredictForMatSingleRowFast
        self._buffers = ctypes.addressof(self._row), ctypes.addressof(self._count), ctypes.addressof(self._out)
        self._raw = self._fast_config(_RAW_SCORE)
        self._contributions = self._fast_config(_CONTRIBUTIONS)
        self._freed = finalize(self, _free, self._library, self._handle, (self._raw, self._contributions))

    def score(self, instrument: InstrumentId, window: Window) -> float:
        """Margin of the newest row."""
        self._ask(self._raw, window[-1])
        return self._out[0]

    def scores(self, instrument: InstrumentId, windows: Windows) -> Scores:
        """Margins of the newest row of each window."""
        rows = np.ascontiguousarray(windows[:, -1, :], dtype=np.float64)
        margins = np.empty(len(rows))
        self._check(
            self._library.LGBM_BoosterPredictForMat(
                self._handle, rows.ctypes.data, _FLOAT64, len(rows), self._inputs, _ROW_MAJOR,
                _RAW_SCORE, 0, _ALL_TREES, PARAMETERS, ctypes.byref(self._count), margins.ctypes.data,
            )
        )  # fmt: skip
        return margins

    def contributions(self, row: FeatureRow) -> list[float]:
        """TreeSHAP values: one a feature, then the base value (Lundberg and others 2020, From local explanations)."""
        self._ask(self._contributions, row)
        return self._out[:]

    def close(self) -> None:
        """Free what the library holds; the model must not be asked again."""
        self._freed()

    def _ask(self, config: ctypes.c_void_p, row: FeatureRow) -> None:
        self._row[:] = row
        data, count, out = self._buffers
        if self._predict(config, data, count, out):
            self._check(-1)

    def _load(self, text: bytes) -> ctypes.c_void_p:
        handle, iterations, threads = ctypes.c_void_p(), ctypes.c_int(), ctypes.c_int()
        # Reading a text takes no parameters: only this bound keeps it from starting a thread a core.
        self._check(self._library.LGBM_GetMaxThreads(ctypes.byref(threads)))
        self._check(self._library.LGBM_SetMaxThreads(1))
        try:
            self._check(
                self._library.LGBM_BoosterLoadModelFromString(text, ctypes.byref(iterations), ctypes.byref(handle))
            )
        finally:
            self._check(self._library.LGBM_SetMaxThreads(threads))
        return handle

    def _fast_config(self, prediction: int) -> ctypes.c_void_p:
        config = ctypes.c_void_p()
        self._check(
            self._library.LGBM_BoosterPredictForMatSingleRowFastInit(
                self._handle, prediction, 0, _ALL_TREES, _FLOAT64, self._inputs, PARAMETERS, ctypes.byref(config)
            )
        )
        return config

    def _check(self, status: int) -> None:
        if status:
            raise ModelError(f"LightGBM: {self._library.LGBM_GetLastError().decode(errors='replace')}")


@cache
def _library() -> Any:
    spec = find_spec("lightgbm")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    places = [folder / part / name for folder in folders for part in ("lib", "bin") for name in LIBRARY_NAMES]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise ModelError("LightGBM's shared library is not installed: install the package lightgbm")
    try:
        library = ctypes.CDLL(str(found))
    except OSError as error:
        raise ModelError(
            f"LightGBM's shared library cannot be loaded ({error}): it needs the system's OpenMP runtime, "
            "libgomp.so.1 (Debian: apt-get install libgomp1)"
        ) from error
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    pointer, integer, text = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
    # Without these ctypes would pass pointers as 32-bit integers.
    library.LGBM_BoosterPredictForMatSingleRowFast.argtypes = (pointer,) * 4
    library.LGBM_BoosterPredictForMat.argtypes = (
        pointer, pointer, integer, ctypes.c_int32, ctypes.c_int32, integer,
        integer, integer, integer, text, pointer, pointer,
    )  # fmt: skip
    library.LGBM_BoosterPredictForMatSingleRowFastInit.argtypes = (
        pointer, integer, integer, integer, integer, ctypes.c_int32, text, pointer,
    )  # fmt: skip
    for name in ("LGBM_FastConfigFree", "LGBM_BoosterFree"):
        getattr(library, name).argtypes = (pointer,)
    return library


def _free(library: Any, handle: ctypes.c_void_p, configs: tuple[ctypes.c_void_p, ...]) -> None:
    for config in configs:
        library.LGBM_FastConfigFree(config)
    library.LGBM_BoosterFree(handle)
