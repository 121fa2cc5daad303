"""Makes a tree of everything that a layer may hold: odd-tree.py DIRECTORY"""

import os
import stat
import struct
import sys

root = sys.argv[1].encode()


def path(name):
    return os.path.join(root, name)


def file(name, data=b"", mode=0o644, **attributes):
    with open(path(name), "wb") as opened:
        opened.write(data)
    finish(name, mode, **attributes)


def finish(name, mode=None, owner=(0, 0), mtime_ns=1_600_000_000_123_456_789, xattrs={}):
    os.chown(path(name), *owner, follow_symlinks=False)
    if mode is not None:
        os.chmod(path(name), mode)
    for key, value in xattrs.items():
        os.setxattr(path(name), key, value, follow_symlinks=False)
    os.utime(path(name), ns=(mtime_ns, mtime_ns), follow_symlinks=False)


def acl(*entries):
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


ANY = 0xFFFFFFFF
os.makedirs(path(b"data/deep/er"))
for size in [0, 1, 511, 512, 513, 4095, 4096, 4097, 70_000, 3 << 20]:
    file(b"data/%d" % size, bytes(i * 7 % 251 for i in range(1000)) * (size // 1000) + b"x" * (size % 1000))
file(b"data/setuid", b"#!/bin/sh\n", 0o4755)
file(b"data/setgid", b"#!/bin/sh\n", 0o2711, owner=(1000, 1001))
file(b"data/large-owner", b"1", owner=(4_000_000_000, 3_000_000))
file(b"data/before-1970", b"2", mtime_ns=-1_500_000_000)
file(b"data/year-2200", b"3", mtime_ns=7_258_118_400_000_000_001)
for name in [b"!", b"-", b" ", b"+x", b"a\nb", b"caf\xc3\xa9", b"\xff\xfe", b"~", b"a" * 255, b"a" * 254 + b"b"]:
    file(b"data/deep/" + name, name)

os.mkdir(path(b"many"))
for i in range(3000):
    file(b"many/file-%d-%s" % (i, b"n" * (i % 90)), b"%d" % i)

os.mkdir(path(b"links"))
for i in [1, 59, 60, 400, 447, 448, 511, 512, 513, 1024, 4095]:
    os.symlink(b"t" * i, path(b"links/%d" % i))
    finish(b"links/%d" % i)
os.symlink(b"../data", path(b"links/data"))
file(b"links/one", b"the same file", xattrs={"user.a": b"1"})
for name in [b"two", b"../data/three"]:
    os.link(path(b"links/one"), path(b"links/" + name))
os.symlink(b"hard", path(b"links/soft"))
os.link(path(b"links/soft"), path(b"links/soft-too"), follow_symlinks=False)

os.mkdir(path(b"special"))
os.mknod(path(b"special/null"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
os.mknod(path(b"special/large"), stat.S_IFBLK | 0o660, os.makedev(4095, 1_048_575))
os.mkfifo(path(b"special/fifo"))
for name in [b"null", b"large", b"fifo"]:
    finish(b"special/" + name, 0o640)

os.mkdir(path(b"xattrs"))
file(b"xattrs/user", b"u", xattrs={"user.text": b"text", "user.binary": bytes(range(256)), "user.empty": b""})
file(b"xattrs/many", b"m", xattrs={f"user.{i:03}": b"v" * (i % 11) for i in range(60)})
file(b"xattrs/trusted", b"t", xattrs={"trusted.mine": b"\0\1=\n"})
file(b"xattrs/capable", b"c", 0o755, xattrs={"security.capability": struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)})
file(b"xattrs/acl", b"a", 0o640,
     xattrs={"system.posix_acl_access": acl((1, 6, ANY), (2, 4, 1000), (4, 4, ANY), (8, 2, 70_000), (16, 6, ANY), (32, 0, ANY))})
os.mkdir(path(b"xattrs/directory"))
finish(b"xattrs/directory", 0o750, xattrs={"user.d": b"d" * 300, "system.posix_acl_default": acl((1, 7, ANY), (4, 5, ANY), (32, 1, ANY))})
os.symlink(b"nowhere", path(b"xattrs/link"))
finish(b"xattrs/link", xattrs={"trusted.on-a-link": b"l" * 700})

os.mkdir(path(b"sparse"))
for name, runs, size in [
    (b"ends-with-hole", [(0, b"begin"), (1 << 20, b"m" * 5000)], 40 << 20),
    (b"begins-with-hole", [(123 << 20, b"end")], (123 << 20) + 3),
    (b"only-hole", [], 5 << 20),
    (b"odd", [(4096, b"1" * 4097), (1 << 18, b"2" * 511), ((1 << 19) + 8192, b"3" * 8192)], 1 << 20),
]:
    with open(path(b"sparse/" + name), "wb") as opened:
        for offset, data in runs:
            opened.seek(offset)
            opened.write(data)
        opened.truncate(size)
    finish(b"sparse/" + name)

for directory, mode in [(b"data/deep/er", 0o1777), (b"data/deep", 0o2755), (b"data", 0o700), (b"many", 0o755), (b"links", 0o755),
                        (b"special", 0o755), (b"xattrs", 0o755), (b"sparse", 0o511), (b".", 0o751)]:
    finish(directory, mode, owner=(12, 34))
