"""Files by path: paths as callers give them, and files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import stat
from os import PathLike
from typing import Any, BinaryIO, TypeAlias

__all__ = ["FilePath", "open_regular", "path_of", "write_whole"]

#: What a path may be.
FilePath: TypeAlias = "str | bytes | PathLike[str] | PathLike[bytes]"

# Why a file that may be written cannot give way to a new one: its folder is closed, its owner is not ours to give, or
# something is mounted on it.
_FIXED = {errno.EACCES, errno.EPERM, errno.EBUSY, errno.EROFS}
# What a folder says that cannot be synced.
_NO_SYNC = {errno.EBADF, errno.EINVAL, errno.ENOTSUP}


def path_of(path: Any, name: str = "path") -> str:
    """Return a path as text; TypeError or ValueError names the argument where it is none."""
    try:
        text = os.fsdecode(path)
    except TypeError:
        raise TypeError(f"{name} must be a path: str, bytes or os.PathLike; got {path!r}") from None
    if not text:
        raise ValueError(f"{name} must not be empty")
    return text


def open_regular(path: str) -> BinaryIO:
    """Open a file to read; ValueError for a pipe, a device or a socket, where a read may wait for ever."""
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a folder keeps the error that `open` has for it
        raise ValueError(f"{path} is no regular file, but a pipe, a device or a socket")
    return open(path, "rb")


def write_whole(path: str, data: bytes) -> None:
    """Write a file that holds what it held, or all of `data`, at every moment, whatever ends the program.

    Links are followed. A file that is there keeps its owner, mode and access list, and is refused where it may not be
    written. What is no regular file is written straight into; so is a file that cannot be replaced by one of the same
    owner, and that alone can be left torn.
    """
    target = os.path.realpath(path)
    try:
        old = os.stat(path)
    except FileNotFoundError:
        if not os.path.isdir(os.path.dirname(target)):
            raise FileNotFoundError(errno.ENOENT, "path must lie in a folder that exists", path) from None
        _put(target, data, None)
        return
    if stat.S_ISREG(old.st_mode):
        os.close(os.open(path, os.O_WRONLY))  # the error of a file that may not be written
        if not _is_descriptor(path):
            try:
                return _put(target, data, old)
            except OSError as error:
                if error.errno not in _FIXED:
                    raise
    _write_into(path, data)


def _is_descriptor(path: str) -> bool:
    """Whether a path leads through an open file, as /dev/stdout does: who has it open means that file, not its name."""
    while os.path.islink(path):
        folder = os.path.realpath(os.path.dirname(path))
        if folder.startswith("/proc/"):
            return True
        path = os.path.join(folder, os.readlink(path))
    return False


def _write_into(path: str, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOCTTY), "wb") as file:
        file.write(data)
        file.flush()
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            os.fsync(file.fileno())


def _put(target: str, data: bytes, old: os.stat_result | None) -> None:
    """Put a new file where `target` says, in place of `old`."""
    folder, name = os.path.split(target)
    # What it is called before it is whole tells of the target, so that the next save finds what a kill has left.
    draft = f".lamina-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"
    mode = 0o666 if old is None else 0o600  # less the umask, by the system
    at = _open_folder(folder)
    try:
        handle, called = _nameless(at, mode), None
        if handle is None:
            handle, called = _named(at, f"{draft}.part", mode)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                if old is not None:
                    _resemble(handle, target, old)
                os.fsync(handle)
                if called is not None:
                    os.replace(called, name, src_dir_fd=at, dst_dir_fd=at)
                elif old is not None or not _link(handle, at, name):
                    called = draft
                    _link_and_move(handle, at, draft, name)
        except BaseException:
            if called is not None:
                with contextlib.suppress(OSError):
                    os.unlink(called, dir_fd=at)
            raise
        try:
            os.fsync(at)  # so that the name, too, survives a loss of power
        except OSError as error:
            if error.errno not in _NO_SYNC:
                raise
    finally:
        os.close(at)


def _open_folder(folder: str) -> int:
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:  # one may write in it all the same
        return os.open(folder, getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY)


def _nameless(at: int, mode: int) -> int | None:
    """A new file without a name, which ends with the program; None where the system has no such."""
    if not hasattr(os, "O_TMPFILE") or not os.path.isdir("/proc/self/fd"):
        return None
    try:
        return os.open(".", os.O_WRONLY | os.O_TMPFILE, mode, dir_fd=at)
    except OSError:  # of this file system or this folder; a file with a name tells which
        return None


def _link(handle: int, at: int, name: str) -> bool:
    """Give a nameless file a name, and return whether it was free."""
    try:
        # With a folder's descriptor alone does Python follow the link in /proc.
        os.link(f"/proc/self/fd/{handle}", name, src_dir_fd=at, dst_dir_fd=at, follow_symlinks=True)
    except FileExistsError:
        return False
    return True


def _link_and_move(handle: int, at: int, draft: str, name: str) -> None:
    """Put a nameless file in the place of another."""
    while not _link(handle, at, draft):  # what a kill has left, or a save at the same time, which then comes before
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=at)
    with contextlib.suppress(FileNotFoundError):  # that other save has put this one in place
        os.replace(draft, name, src_dir_fd=at, dst_dir_fd=at)


def _named(at: int, draft: str, mode: int) -> tuple[int, str]:
    """A new file, locked, and its name: the draft's, or one of its own where another save has that."""
    flags = os.O_RDWR | os.O_NOFOLLOW
    new = flags | os.O_CREAT | os.O_EXCL
    with contextlib.suppress(OSError):  # the draft is in use or not ours, or there are no locks
        while True:
            try:
                handle, found = os.open(draft, new, mode, dir_fd=at), False
            except FileExistsError:
                handle, found = os.open(draft, flags, dir_fd=at), True
            try:
                # A lock ends with its program: a draft without one is what a kill has left.
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not found and _is_at(handle, at, draft):
                    return handle, draft
                if _is_at(handle, at, draft):
                    os.unlink(draft, dir_fd=at)
            except BlockingIOError:
                os.close(handle)
                break
            except BaseException:
                os.close(handle)
                if not found:
                    os.unlink(draft, dir_fd=at)
                raise
            os.close(handle)
    name = f"{draft}-{secrets.token_hex(8)}"
    return os.open(name, new, mode, dir_fd=at), name


def _is_at(handle: int, at: int, name: str) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(name, dir_fd=at, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _resemble(handle: int, target: str, old: os.stat_result) -> None:
    """Give a new file the owner, mode and extended attributes (access lists) of the one that it will replace."""
    made = os.fstat(handle)
    if (made.st_uid, made.st_gid) != (old.st_uid, old.st_gid):
        os.fchown(handle, old.st_uid, old.st_gid)
    os.fchmod(handle, stat.S_IMODE(old.st_mode))
    if hasattr(os, "listxattr"):
        with contextlib.suppress(OSError):  # a file system without any
            for name in os.listxattr(target):
                with contextlib.suppress(OSError):  # one that the system alone sets
                    os.setxattr(handle, name, os.getxattr(target, name))
