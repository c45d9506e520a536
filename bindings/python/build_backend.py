"""Builds the sdist and the wheel (PEP 517), with nothing but Python's own library.

The shared object lies in the wheel beside the code, which is pure Python: one wheel for all versions of
Python on a platform. Its tag says the oldest glibc that has all that the object asks of it. In an sdist are
the plugin's sources; a wheel built from them needs a C compiler and the headers of inih and libbsd. In
the project's own tree `make wheel` gives the object that it has built (READ_POLICY_OBJECT).

The same input gives the same files, to the byte.
"""

import base64
import gzip
import hashlib
import io
import os
import re
import shlex
import subprocess
import sysconfig
import tarfile
import tempfile
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
NAME = "read_policy"
SOURCES = ("plugin", "policies", "strict-ini")  # of the shared object, as folders of the tree
LONG_AGO = (1980, 1, 1, 0, 0, 0)


def get_requires_for_build_wheel(config_settings=None):
    return []


def get_requires_for_build_sdist(config_settings=None):
    return []


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with tempfile.TemporaryDirectory() as scratch:
        path = os.environ.get("READ_POLICY_OBJECT") or _compile(scratch)
        with open(path, "rb") as file:
            shared_object = file.read()
        tag = f"py3-none-{_platform(path)}"
    stem = f"{NAME}-{_version()}"
    files = {os.path.join(NAME, name): data for name, data in _package().items()}
    files[f"{NAME}/read_policy.so"] = shared_object
    info = f"{stem}.dist-info"
    files[f"{info}/METADATA"] = _metadata().encode()
    files[f"{info}/WHEEL"] = (f"Wheel-Version: 1.0\nGenerator: {NAME}\nRoot-Is-Purelib: false\n"
                              f"Tag: {tag}\n").encode()
    files[f"{info}/LICENSE"] = _read(_tree_file("LICENSE"))
    record = [f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in files.items()]
    files[f"{info}/RECORD"] = "".join([*record, f"{info}/RECORD,,\n"]).encode()
    wheel = f"{stem}-{tag}.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, wheel), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, LONG_AGO)
            entry.external_attr = (0o755 if name.endswith(".so") else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return wheel


def build_sdist(sdist_directory, config_settings=None):
    stem = f"{NAME}-{_version()}"
    files = {f"{NAME}/{name}": data for name, data in _package().items()}
    for name in ("README.md", "build_backend.py", "pyproject.toml"):
        files[name] = _read(os.path.join(HERE, name))
    files["LICENSE"] = _read(_tree_file("LICENSE"))
    files["PKG-INFO"] = _metadata().encode()
    files["VERSION"] = f"{_version()}\n".encode()
    for name in _c_files():
        files[name] = _read(_tree_file(name))
    name = f"{stem}.tar.gz"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, data in sorted(files.items()):
            entry = tarfile.TarInfo(f"{stem}/{path}")
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    with open(os.path.join(sdist_directory, name), "wb") as file:
        file.write(gzip.compress(content.getvalue(), mtime=0))
    return name


def _tree():
    """Where the plugin's sources are: in an sdist beside this file, otherwise at the tree's top."""
    return HERE if os.path.isdir(os.path.join(HERE, SOURCES[0])) else os.path.join(HERE, "..", "..")


def _tree_file(name):
    return os.path.join(_tree(), name)


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _version():
    """Of the sdist, or of the tree's Makefile."""
    if os.path.exists(os.path.join(HERE, "VERSION")):
        return _read(os.path.join(HERE, "VERSION")).decode().strip()
    return re.search(r"^VERSION *:= *(\S+)$", _read(_tree_file("Makefile")).decode(), re.MULTILINE)[1]


def _package():
    """The package's own files, by their names."""
    folder = os.path.join(HERE, NAME)
    return {name: _read(os.path.join(folder, name)) for name in sorted(os.listdir(folder))
            if name.endswith(".py") or name == "py.typed"}


def _metadata():
    project = _read(os.path.join(HERE, "pyproject.toml")).decode()

    def value(key):
        return re.search(rf'^{key} = "(.*)"$', project, re.MULTILINE)[1]
    return (f"Metadata-Version: 2.1\nName: {value('name')}\nVersion: {_version()}\n"
            f"Summary: {value('description')}\nLicense: MIT\n"
            f"Requires-Python: {value('requires-python')}\n"
            f"Description-Content-Type: text/markdown\n\n"
            + _read(os.path.join(HERE, "README.md")).decode())


def _digest(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _c_files():
    found = []
    for top in SOURCES:
        for folder, _, names in os.walk(_tree_file(top)):
            found += [os.path.relpath(os.path.join(folder, name), _tree()) for name in names
                      if name.endswith((".c", ".h", ".map"))]
    return sorted(found)


def _compile(scratch):
    """The shared object, from the sources. inih and libbsd are taken in, where there are archives."""
    compiler = shlex.split(os.environ.get("CC", "cc"))

    def flags(option):
        return shlex.split(subprocess.run(["pkg-config", option, "inih", "libbsd-overlay"], check=True,
                                          capture_output=True, text=True).stdout)

    def library(name):
        archive = subprocess.run([*compiler, f"-print-file-name=lib{name}.a"], check=True,
                                 capture_output=True, text=True).stdout.strip()
        return archive if os.path.isabs(archive) else f"-l{name}"
    target = os.path.join(scratch, "read_policy.so")
    sources = [name for name in _c_files() if name.endswith(".c")]
    subprocess.run([*compiler, "-shared", "-fPIC", "-std=c17", "-D_GNU_SOURCE", "-iquote", ".", "-O2",
                    "-fvisibility=hidden", "-fstack-protector-strong",
                    f'-DREAD_POLICY_VERSION="{_version()}"', *flags("--cflags"),
                    *shlex.split(os.environ.get("CFLAGS", "")), "-o", target, *sources,
                    "-Wl,--version-script=plugin/read_policy.map", "-Wl,-soname,read_policy.so",
                    "-Wl,-z,relro,-z,now", "-Wl,--exclude-libs,ALL", library("inih"), library("bsd"),
                    *shlex.split(os.environ.get("LDFLAGS", ""))], check=True, cwd=_tree())
    return target


def _platform(path):
    """The wheel's platform: by what the object needs of the C library, and nothing else (PEP 600)."""
    machine = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    shown = subprocess.run(["readelf", "--dynamic", "--version-info", "--wide", path], check=True,
                           capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", shown))
    glibc = [tuple(map(int, version.split("."))) for version in
             re.findall(r"Name: GLIBC_([0-9.]+)", shown)]
    if not glibc or not needed <= {"libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}:
        return machine
    # The oldest that has a tag of this form.
    major, minor = max(max(glibc)[:2], (2, 17))
    return f"manylinux_{major}_{minor}_{machine.removeprefix('linux_')}"
