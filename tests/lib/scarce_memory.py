"""Programs in which a chosen allocation fails: see interposed/scarce_memory.c."""

import contextlib
import os
import struct
import subprocess

from testbed import ROOT


class ScarceMemory:
    """For what is started `within` it."""

    def __init__(self, directory):
        self._library = os.path.join(directory, "scarce_memory.so")
        self._path = os.path.join(directory, "granted")
        source = os.path.join(ROOT, "tests/lib/interposed/scarce_memory.c")
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", self._library, source,
                        "-ldl"], check=True)
        self.grant(-1)

    def grant(self, count):
        """So many allocations are granted from now on, and then one fails; -1: none fails."""
        with open(self._path, "r+b" if os.path.exists(self._path) else "wb") as file:
            file.write(struct.pack("q", count))

    def environment(self, all_from_there=False):
        more = {"ALL_FROM_THERE": "1"} if all_from_there else {}
        # A sanitizer's library would have to come first.
        options = f"{os.environ.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0:allocator_may_return_null=1"
        return {**os.environ, "LD_PRELOAD": self._library, "SCARCE_MEMORY_FILE": self._path,
                "ASAN_OPTIONS": options, **more}

    @contextlib.contextmanager
    def within(self, all_from_there=False):
        before = dict(os.environ)
        os.environ.update(self.environment(all_from_there))
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
