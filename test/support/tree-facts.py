"""What a tree is, as JSON, and mounts that only this process sees. Node reads no extended attributes and mounts nothing.

    tree-facts.py facts PATH                 every file below PATH
    tree-facts.py overlay DIRECTORY FD...    of an overlay of the mounts behind descriptors, the first on top
    tree-facts.py idmap FD FIRST             of a mount where inside 0 is FIRST outside, a range of 65,536
    tree-facts.py resident PATH FILE FD...   how many bytes of FILE are cached, as each of the overlays says; the first one reads it
    tree-facts.py shared PATH...             how many bytes of each file are cached after all were dropped, and after the first was read
"""

import ctypes
import hashlib
import json
import mmap
import os
import stat
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER, MS_REC_PRIVATE = 0x00020000, 0x10000000, 0x44000
OPEN_TREE, MOVE_MOUNT, FSOPEN, FSCONFIG, FSMOUNT, MOUNT_SETATTR = 428, 429, 430, 431, 432, 442
AT_FDCWD, AT_EMPTY_PATH, OPEN_TREE_CLONE, MOUNT_ATTR_IDMAP = -100, 0x1000, 1, 0x00100000


def syscall(number, *arguments):
    result = libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"syscall {number}: {os.strerror(ctypes.get_errno())}")
    return result


def private_mounts():
    if libc.unshare(CLONE_NEWNS) != 0 or libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def clone(fd):
    return syscall(OPEN_TREE, fd, b"", OPEN_TREE_CLONE | AT_EMPTY_PATH)


def attach(fd, path):
    syscall(MOVE_MOUNT, fd, b"", AT_FDCWD, os.fsencode(path), 4)


def filesystem(kind, strings=(), fds=()):
    context = syscall(FSOPEN, kind, 0)
    for key, value in strings:
        syscall(FSCONFIG, context, 1, key, value, 0)
    for key, fd in fds:
        syscall(FSCONFIG, context, 5, key, None, fd)
    syscall(FSCONFIG, context, 6, None, None, 0)
    return syscall(FSMOUNT, context, 0, 0)


def overlay(fds):
    return filesystem(b"overlay", fds=[(b"lowerdir+", fd) for fd in fds])


def one(path, groups):
    about = os.lstat(path)
    fact = {
        "mode": f"{about.st_mode:o}",
        "uid": about.st_uid,
        "gid": about.st_gid,
        "mtimeNs": str(about.st_mtime_ns),
    }
    names = sorted(os.listxattr(path, follow_symlinks=False))
    xattrs = {name: os.getxattr(path, name, follow_symlinks=False).hex() for name in names}
    if xattrs:
        fact["xattrs"] = xattrs
    if stat.S_ISREG(about.st_mode):
        fact["size"] = about.st_size
        with open(path, "rb") as file:
            fact["sha256"] = hashlib.file_digest(file, "sha256").hexdigest() if about.st_size < 1 << 32 else "large"
    elif stat.S_ISLNK(about.st_mode):
        fact["target"] = os.readlink(path).decode("latin-1")
    elif stat.S_ISCHR(about.st_mode) or stat.S_ISBLK(about.st_mode):
        fact["device"] = f"{os.major(about.st_rdev)}:{os.minor(about.st_rdev)}"
    if not stat.S_ISDIR(about.st_mode):
        group = groups.setdefault((about.st_dev, about.st_ino), (about.st_nlink, []))
        group[1].append(fact)
    return fact


def facts(root):
    # What is behind a link such as /proc/self/fd/3, not the link.
    root = os.fsencode(root) + b"/."
    groups = {}
    found = {"": one(root, groups)}
    ahead = [b""]
    while ahead:
        directory = ahead.pop()
        for entry in os.scandir(os.path.join(root, directory)):
            path = os.path.join(directory, entry.name)
            fact = found[path.decode("latin-1")] = one(os.path.join(root, path), groups)
            if stat.S_ISDIR(int(fact["mode"], 8)):
                ahead.append(path)
    # Names of one file show which names these are.
    names = {id(fact): path for path, fact in found.items()}
    for links, members in groups.values():
        if links > 1:
            for fact in members:
                fact["sameAs"] = min(names[id(member)] for member in members)
                fact["links"] = links
    return dict(sorted(found.items()))


def user_namespace(first):
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        libc.unshare(CLONE_NEWUSER)
        os.write(ready[1], b"x")
        os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    for kind in ("uid_map", "gid_map"):
        with open(f"/proc/{child}/{kind}", "w") as file:
            file.write(f"0 {first} 65536\n")
    namespace = os.open(f"/proc/{child}/ns/user", os.O_RDONLY)
    os.write(done[1], b"x")
    os.waitpid(child, 0)
    return namespace


def idmapped(fd, first):
    attributes = struct.pack("=QQQQ", MOUNT_ATTR_IDMAP, 0, 0, user_namespace(first))
    copy = clone(fd)
    syscall(MOUNT_SETATTR, copy, b"", AT_EMPTY_PATH, attributes, len(attributes))
    return copy


def resident(path):
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        with mmap.mmap(file.fileno(), size, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as memory:
            pages = (size + mmap.PAGESIZE - 1) // mmap.PAGESIZE
            there = (ctypes.c_ubyte * pages)()
            address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
            if libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), there) != 0:
                raise OSError(ctypes.get_errno(), "mincore")
            return sum(page & 1 for page in there) * mmap.PAGESIZE


def drop(path):
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def shared(*paths):
    os.sync()
    for path in paths:
        drop(path)
    dropped = [resident(path) for path in paths]
    with open(paths[0], "rb") as file:
        while file.read(1 << 20):
            pass
    return [dropped, [resident(path) for path in paths]]


def main(command, *arguments):
    if command == "facts":
        return facts(arguments[0])
    if command == "shared":
        return shared(*arguments)
    private_mounts()
    if command == "overlay":
        attach(overlay([int(fd) for fd in arguments[1:]]), arguments[0])
        return facts(arguments[0])
    if command == "idmap":
        return facts(f"/proc/self/fd/{idmapped(int(arguments[0]), int(arguments[1]))}")
    if command == "resident":
        path, file, *fds = arguments
        counts = []
        for number, fd in enumerate(fds):
            # An overlay has at least two layers when nothing can be written to it.
            empty = filesystem(b"tmpfs")
            mount = overlay([empty, int(fd)])
            name = f"/proc/self/fd/{mount}/{file}"
            if number == 0:
                with open(name, "rb") as opened:
                    while opened.read(1 << 20):
                        pass
            counts.append(resident(name))
        return counts
    raise SystemExit(__doc__)


json.dump(main(*sys.argv[1:]), sys.stdout)
