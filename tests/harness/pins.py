# SPDX-License-Identifier: Apache-2.0
"""Taking away what a daemon has left pinned, as `weir cleanup` does, which is a test's own subject:
to start it once more behind each daemon of each test takes longer than all the rest of the end."""
import ctypes
import os
import platform
import struct

from harness.kernel import release

SYS_BPF = {"x86_64": 321, "aarch64": 280}.get(platform.machine())
BPF_OBJ_GET, BPF_LINK_DETACH = 7, 34
TRACING = "trace-"                              # is attached to nothing that could be detached from

libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    result = libc.syscall(SYS_BPF, command, attributes, len(attributes))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"bpf({command}): {os.strerror(ctypes.get_errno())}")
    return result


def link_detach(path):
    """At once: the last descriptor of a link is closed some time after its pin has gone."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    fd = bpf(BPF_OBJ_GET, struct.pack("QII", ctypes.addressof(name), 0, 0))
    try:
        bpf(BPF_LINK_DETACH, struct.pack("I", fd))
    except OSError:
        pass                                    # its device has gone
    finally:
        os.close(fd)


def are_links(pin_dir):
    """Whether what is attached are links and nothing else: kernels before 6.6 have filters, too."""
    folder = pin_dir / "links"
    return SYS_BPF is not None and release() >= (6, 6) and not (
        folder.exists() and any(path.name.endswith("-clsact") for path in folder.iterdir()))


def detach(pin_dir):
    folder = pin_dir / "links"
    for path in folder.iterdir() if folder.exists() else ():
        if not path.name.startswith(TRACING):
            link_detach(path)


def remove(pin_dir):
    for parent, folders, files in os.walk(pin_dir, topdown=False):
        for name in files:
            os.unlink(os.path.join(parent, name))
        for name in folders:
            os.rmdir(os.path.join(parent, name))
    if pin_dir.exists():
        pin_dir.rmdir()
