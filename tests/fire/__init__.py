"""Tests under fire: files from an enemy, processes that are killed, too little memory and disk, many threads at once.

Every module is a program with a long run, and has a short one in tests/test_fire.py. From the root of the repository:

python -m tests.fire.fuzz --inputs 20000
python -m tests.fire.kills --kills 1000
python -m tests.fire.shortage --tries 1000
python -m tests.fire.stress --seconds 600
"""

import sys
from pathlib import Path

_TESTS = str(Path(__file__).parents[1])
if _TESTS not in sys.path:
    sys.path.insert(0, _TESTS)  # for the helpers of the tests beside this folder
