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

__all__ = ["FilePath", "check_replaceable", "open_regular", "path_of", "write_whole"]

#: What a path may be.
FilePath: TypeAlias = "str | bytes | PathLike[str] | PathLike[bytes]"

# Why a file that may be written cannot give way to a new one: its folder is closed, its owner is not ours to give, or
# something is mounted on it.
_FIXED = {errno.EACCES, errno.EPERM, errno.EBUSY, errno.EROFS}
# What a file system says that gives no space in advance.
_NO_SPACE_IN_ADVANCE = {errno.EINVAL, errno.ENODEV, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
# How a file begins to be called that is not whole, where the system has none without a name.
_PART = ".lamina-part-"
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
    if "\0" in text:
        raise ValueError(f"{name} must not have a null character; got {text!r}")
    return text


def open_regular(path: str) -> BinaryIO:
    """Open a file to read; ValueError for a pipe, a device or a socket, where a read may wait for ever."""
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a folder keeps the error that `open` has for it
        raise ValueError(f"{path} is no regular file, but a pipe, a device or a socket")
    return open(path, "rb")


def check_replaceable(path: str, name: str = "path") -> None:
    """Raise an error that names the argument where `write_whole` would write straight into what is there, or nothing.

    FileNotFoundError without the folder, PermissionError for one in which no file can be made that takes the place of
    the one that is there, IsADirectoryError for a folder, ValueError for what else is no regular file.
    """
    folder, _ = os.path.split(os.path.realpath(path))
    try:
        old = os.stat(path)
    except FileNotFoundError:
        old = None
    if old is None and not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, f"{name} must lie in a folder that exists", path)
    if old is not None and stat.S_ISDIR(old.st_mode):
        raise IsADirectoryError(errno.EISDIR, f"{name} must be that of a file", path)
    if old is not None and (not stat.S_ISREG(old.st_mode) or _is_descriptor(path)):
        raise ValueError(f"{name} must be that of a file; {path} is no regular file, but a pipe, a device or a socket")
    try:
        if old is not None and _is_sticky(os.stat(folder), old):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)
        _try_in_place_of(old, path, folder)
    except OSError as error:
        if error.errno in _FIXED:
            raise _closed(error, path, name) from error
        raise


def write_whole(path: str, data: bytes, *, always: bool = False) -> None:
    """Write a file that holds what it held, or all of `data`, at every moment, whatever ends the program.

    Links are followed. A file that is there keeps its owner, mode and access list, and is refused where it is read-only
    or may not be written. What is no regular file is written straight into; so is a file that cannot be replaced by one
    of the same owner, and that alone can be left torn: with `always` it is refused, by a PermissionError.
    """
    target = os.path.realpath(path)
    try:
        old = os.stat(path)
    except FileNotFoundError:
        if not os.path.isdir(os.path.dirname(target)):
            raise FileNotFoundError(errno.ENOENT, "path must lie in a folder that exists", path) from None
        old = None
    if old is not None and stat.S_ISREG(old.st_mode):
        if not old.st_mode & 0o222:  # somebody meant it to stay; root, who may write it, is no exception
            raise PermissionError(errno.EACCES, "the file is read-only", path)
        os.close(os.open(path, os.O_WRONLY))  # the error of a file that may not be written
    if old is None or (stat.S_ISREG(old.st_mode) and not _is_descriptor(path)):
        try:
            return _put(target, data, old)
        except OSError as error:
            if error.errno not in _FIXED or (old is None and not always):
                raise
            if always:
                raise _closed(error, path, "path") from error
    if always:
        raise ValueError(f"path must be that of a file; {path} is no regular file, but a pipe, a device or a socket")
    _write_into(path, data)


def _closed(error: OSError, path: str, name: str) -> PermissionError:
    """What is said of a file that cannot give way to a new one."""
    must = f"{name} must lie in a folder that may be written to, where a new file can take the place of an old one"
    return PermissionError(error.errno, f"{must} ({os.strerror(error.errno or 0)})", path)


def _is_sticky(folder: os.stat_result, old: os.stat_result) -> bool:
    """Whether what lies in a folder that all may write to is its owner's alone to replace, who is another."""
    return bool(folder.st_mode & stat.S_ISVTX) and os.geteuid() not in (0, folder.st_uid, old.st_uid)


def _try_in_place_of(old: os.stat_result | None, path: str, folder: str) -> None:
    """Make a file that could take the place of `old`, and take it away again."""
    at = _open_folder(folder)
    try:
        mode, called = 0o600, ""
        handle = _nameless(at, mode)
        if handle is None:
            handle, called = _named(at, mode)
        try:
            if old is not None:
                _resemble(handle, path, old)
        finally:
            os.close(handle)
            if called:
                os.unlink(called, dir_fd=at)
    finally:
        os.close(at)


def _is_descriptor(path: str) -> bool:
    """Whether a path leads through an open file, as /dev/stdout does: who has it open means that file, not its name."""
    while os.path.islink(path):
        folder = os.path.realpath(os.path.dirname(path))
        if folder.startswith("/proc/"):
            return True
        path = os.path.join(folder, os.readlink(path))
    return False


def _write_into(path: str, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_NOCTTY), "wb") as file:
        handle = file.fileno()
        regular = stat.S_ISREG(os.fstat(handle).st_mode)
        if regular:
            _reserve(handle, len(data))
        file.write(data)
        file.flush()
        if regular:
            os.ftruncate(handle, len(data))
            os.fsync(handle)


def _reserve(handle: int, size: int) -> None:
    """Have the space for `size` bytes before what is there is lost; OSError, and nothing is, on a full disk."""
    before = os.fstat(handle).st_size
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError as error:
        os.ftruncate(handle, before)
        if error.errno not in _NO_SPACE_IN_ADVANCE:
            raise


class _CannotLinkError(Exception):
    """The system makes files without a name, and cannot give them one here."""


def _put(target: str, data: bytes, old: os.stat_result | None) -> None:
    """Put a new file where `target` says, in place of `old`."""
    nameless, done = True, False
    while not done:  # or else another save of the same target has taken the new file away
        try:
            done = _try_to_put(target, data, old, nameless)
        except _CannotLinkError:
            nameless = False


def _try_to_put(target: str, data: bytes, old: os.stat_result | None, nameless: bool) -> bool:
    folder, name = os.path.split(target)
    mode = 0o666 if old is None else 0o600  # less the umask, by the system
    at = _open_folder(folder)
    try:
        handle, called = _nameless(at, mode) if nameless else None, ""
        if handle is None:
            handle, called = _named(at, mode)
        with os.fdopen(handle, "wb") as file:
            try:
                file.write(data)
                file.flush()
                if old is not None:
                    _resemble(handle, target, old)
                os.fsync(handle)
                if called or old is not None or not _link(handle, at, name):
                    called = called or _link_to_draft(handle, at, name)
                    os.replace(called, name, src_dir_fd=at, dst_dir_fd=at)
            except BaseException as error:
                if called and _is_at(handle, at, called):
                    os.unlink(called, dir_fd=at)
                elif called and isinstance(error, FileNotFoundError):
                    return False
                raise
        try:
            os.fsync(at)  # so that the name, too, survives a loss of power
        except OSError as error:
            if error.errno not in _NO_SYNC:
                raise
    finally:
        os.close(at)
    return True


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
    except OSError as error:
        raise _CannotLinkError from error
    return True


def _link_to_draft(handle: int, at: int, name: str) -> str:
    """Give a nameless file the name from which it is moved to `name`, and return that.

    It tells of `name`: should the program be killed before it is moved, the next save finds what is left.
    """
    draft = f".lamina-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"
    while not _link(handle, at, draft):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=at)
    return draft


def _named(at: int, mode: int) -> tuple[int, str]:
    """A new file with a name of its own, locked for as long as it is written, and that name."""
    _sweep(at)
    while True:
        name = f"{_PART}{secrets.token_hex(8)}"
        handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode, dir_fd=at)
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if _is_at(handle, at, name):
            return handle, name
        os.close(handle)  # swept away before it was locked


def _sweep(at: int) -> None:
    """Clear away what killed programs have left: a lock ends with its program."""
    with contextlib.suppress(OSError):
        for name in os.listdir(at):
            if name.startswith(_PART):
                with (
                    contextlib.suppress(OSError),
                    open(os.open(name, os.O_RDWR | os.O_NOFOLLOW, dir_fd=at), "rb") as file,
                ):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if _is_at(file.fileno(), at, name):
                        os.unlink(name, dir_fd=at)


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
