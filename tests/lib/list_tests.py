"""list_tests.py FILE... - the tests of Python suites, CLASS.TEST a line, as `unittest -k` knows them."""

import os
import runpy
import sys
import unittest


def names_of(path):
    """Runs the file as far as it defines things; what it imports may stand beside it."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    for value in runpy.run_path(path, run_name="suite").values():
        if isinstance(value, type) and issubclass(value, unittest.TestCase):
            for name in unittest.defaultTestLoader.getTestCaseNames(value):
                yield f"{value.__name__}.{name}"


if __name__ == "__main__":
    for file in sys.argv[1:]:
        print("\n".join(names_of(file)))
