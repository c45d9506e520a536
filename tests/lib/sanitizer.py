"""Sanitizers of what a foreign process loads: an interpreter or an nginx has none of its own."""

import os
import re
import subprocess


def is_in(path):
    """Whether the program or shared object was built with one: then it takes more memory and time, and no
    program can load it that has not loaded the run-time library before."""
    with open(path, "rb") as file:
        return re.search(rb"__(a|t)san_init", file.read()) is not None


def environment_for(shared_object):
    """What a process that loads it needs in its environment: the sanitizer that it was built with has to be
    there first. Interpreters leak by design."""
    dynamic = subprocess.run(["readelf", "-d", shared_object], capture_output=True, text=True,
                             check=True).stdout
    sanitizer = re.search(r"\[(lib(?:asan|tsan|ubsan)\.so)", dynamic)
    if not sanitizer:
        return {}
    library = subprocess.run(["gcc", f"-print-file-name={sanitizer[1]}"], capture_output=True, text=True,
                             check=True).stdout.strip()
    return {"LD_PRELOAD": os.path.realpath(library), "ASAN_OPTIONS": "detect_leaks=0"}
