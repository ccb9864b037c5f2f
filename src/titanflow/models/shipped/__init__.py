"""The trained models that come with TitanFlow: read-only folders named by digest, and the stages they ship with."""

from importlib.resources import files
from pathlib import Path

SHIPPED = Path(str(files(__name__)))
"""The folder of the shipped models; it may hold none."""
