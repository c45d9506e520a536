#!/usr/bin/python3
"""Compiles a program that uses read_policy.h as every C and C++ that the header promises, by every
compiler that is here, with all warnings as errors."""

import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
USER = os.path.join(ROOT, "tests", "plugin", "header", "user.c")
WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-Wshadow", "-Wconversion"]
IN_CXX = ["-Wold-style-cast", "-Wzero-as-null-pointer-constant"]
LANGUAGES = {
    ("c", ("c11", "c17", "c2x")): ("gcc", "clang"),
    ("c++", ("c++11", "c++17", "c++20")): ("g++", "clang++"),
}


def compile_user(compiler, language, standard):
    command = [compiler, "-x", language, f"-std={standard}", *WARNINGS, *(IN_CXX if language == "c++" else []),
               "-I", os.path.join(ROOT, "plugin"), "-fsyntax-only", USER]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def main():
    failed = False
    for (language, standards), compilers in LANGUAGES.items():
        present = [compiler for compiler in compilers if shutil.which(compiler)]
        if not present:
            print(f"FAIL no compiler of {language}: {', '.join(compilers)}")
            failed = True
        for compiler in present:
            for standard in standards:
                result = compile_user(compiler, language, standard)
                print("ok  " if result.returncode == 0 else "FAIL", compiler, standard)
                print(result.stderr, end="")
                failed = failed or result.returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
