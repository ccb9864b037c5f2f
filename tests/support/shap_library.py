"""The `shap` package, imported without what its own imports warn of (warnings are errors here)."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import shap

__all__ = ["shap"]
