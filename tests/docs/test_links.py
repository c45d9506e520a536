#!/usr/bin/python3
"""Every link within the repository leads to a file, and to a heading where it names one."""

import glob
import os
import re
import unittest

import testbed

LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def read(path):
    with open(path, encoding="utf-8") as file:
        return FENCED.sub("", file.read())


def anchors(path):
    """As GitHub makes them."""
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-")
            for heading in HEADING.findall(read(path))}


class Links(unittest.TestCase):
    def test_every_link_leads_somewhere(self):
        pages = [page for depth in ("*.md", "*/*.md", "*/*/*.md")
                 for page in glob.glob(os.path.join(testbed.ROOT, depth))
                 if not page.startswith(testbed.BUILD + os.sep)]
        followed = 0
        for page in pages:
            for link in LINK.findall(read(page)):
                if re.match(r"[a-z]+:", link):
                    continue
                path, _, anchor = link.partition("#")
                target = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
                with self.subTest(page=os.path.relpath(page, testbed.ROOT), link=link):
                    self.assertTrue(os.path.exists(target), "there is no such file")
                    if anchor:
                        self.assertIn(anchor, anchors(target))
                followed += 1
        self.assertGreater(followed, 20)


if __name__ == "__main__":
    unittest.main()
