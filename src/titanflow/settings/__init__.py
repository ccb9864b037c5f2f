"""All settings, read in one place: defaults < TOML file < environment < flags. Nothing else reads the environment.

Every setting has a dotted name (`risk.max_drawdown`), which `--set`, the TOML file and, as
`TITANFLOW_RISK__MAX_DRAWDOWN`, the environment understand; the variables of older clients are honoured too.
"""

from titanflow.settings.loading import SettingRow, load_settings, overview, safe_url, shown
from titanflow.settings.model import ExecutionSection, RiskSection, Settings
from titanflow.settings.names import allowed_values, field_of, setting_names
from titanflow.settings.sources import LEGACY_VARIABLES, PREFIX

__all__ = [
    "LEGACY_VARIABLES",
    "PREFIX",
    "ExecutionSection",
    "RiskSection",
    "SettingRow",
    "Settings",
    "allowed_values",
    "field_of",
    "load_settings",
    "overview",
    "safe_url",
    "setting_names",
    "shown",
]
