"""`python with_bad_rules.py ARGUMENTS`: the command line, in a process that knows the rules that fail."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.bad_rules import register
from titanflow.cli import main

if __name__ == "__main__":
    register()
    main()
