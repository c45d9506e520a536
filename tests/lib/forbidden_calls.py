"""Programs that the system forbids some of its calls, as container runtimes, service managers and security
modules do."""

import ctypes
import os
import platform
import struct

# By machine; the numbers are part of the kernel's interface.
NUMBERS = {
    "x86_64": {"accept4": 288, "epoll_wait": 232, "getdents64": 217, "getrandom": 318},
}.get(platform.machine(), {})

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
MODE_FILTER = 2
RET_ERRNO, RET_ALLOW = 0x00050000, 0x7FFF0000
LOAD_NUMBER, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def forbid(call, error):
    """For preexec_fn: this call fails with this error from now on, in all that is run then."""
    instructions = [(LOAD_NUMBER, 0, 0, 0), (JUMP_IF_EQUAL, 0, 1, NUMBERS[call]),
                    (RETURN, 0, 0, RET_ERRNO | error), (RETURN, 0, 0, RET_ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in instructions))
    program = _Program(len(instructions), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)

    def apply():
        if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or \
                libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program)) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    apply.code = code  # which the program points to
    return apply
