"""For programs outside this tree that import the test library from tests/, where it stood up to 1.0.0:
it is in tests/lib/."""

import importlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
del sys.modules[__name__]
sys.modules[__name__] = importlib.import_module(__name__)
