#!/usr/bin/python3
"""A short dose of tests/host-sample/soak.py, with always the same seed; `make soak` gives longer ones."""

import unittest

import testbed
from soak import Soak


class ShortDose(unittest.TestCase):
    def test_ten_seconds(self):
        testbed.complain_if_not_built()
        said = []
        soak = Soak(10, 20261123, said.append)
        soak.run()
        self.assertEqual(soak.problems, [], "\n".join(said))


if __name__ == "__main__":
    unittest.main()
