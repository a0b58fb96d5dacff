"""Files that are written whole: links, owners, modes, long names, pipes and devices, and saves that are killed."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import lamina
from conftest import TIMES
from lamina.files import check_replaceable, write_whole

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the children do next to nothing
ROOT = os.geteuid() == 0
NOBODY = 65534


@pytest.fixture
def net():
    return lamina.Network([lamina.Dense(3, "tanh"), lamina.Dense(1)], n_inputs=2)


@pytest.fixture(params=["nameless", "named", "not to be named"])
def draft(request, monkeypatch):
    """Both ways to make a file before it has its name: not every system, nor file system, knows the first."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    elif not hasattr(os, "O_TMPFILE"):
        pytest.skip("files without a name are Linux's")
    elif request.param == "not to be named":
        monkeypatch.setattr(os, "link", lambda *args, **kwargs: (_ for _ in ()).throw(OSError(95, "not supported")))
    return request.param


def as_nobody(work):
    """Run `work` in a child without rights; its exit status tells whether it was true."""
    child = os.fork()
    if child == 0:
        try:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def raises(error, work):
    try:
        work()
    except error:
        return True
    return False


# Where a save goes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, os.fsencode, Path, lambda path: BytesPath(os.fsencode(path))])
def test_any_path_will_do(kind, net, tmp_path):
    path = kind(str(tmp_path / "modèle.lamina"))
    net.save(path)
    assert os.listdir(tmp_path) == ["modèle.lamina"]
    lamina.load(path)


class BytesPath:
    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return self.path


@pytest.mark.parametrize("path", [7, None, 1.5, ["a"]])
def test_what_is_no_path(path, net):
    for function in (net.save, lamina.load):
        with pytest.raises(TypeError, match=r"path must be a path: str, bytes or os\.PathLike; got"):
            function(path)


def test_an_empty_path_and_a_folder(net, tmp_path):
    for path, error in (("", ValueError), (tmp_path, IsADirectoryError)):
        for function in (net.save, lamina.load):
            with pytest.raises(error):
                function(path)


def test_a_link_is_followed(net, tmp_path, draft):
    for name in ("v1.lamina", "later.lamina"):  # the second is not there yet
        link = tmp_path / "deep" / "latest.lamina"
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(f"../{name}")
        (tmp_path / "v1.lamina").write_bytes(b"old")
        net.save(link)
        assert link.is_symlink()
        np.testing.assert_array_equal(lamina.load(tmp_path / name).predict([[1, 2]]), net.predict([[1, 2]]))
        link.unlink()


def test_the_mode_stays_and_a_new_file_has_the_umasks(net, tmp_path, draft):
    path = tmp_path / "model"
    before = os.umask(0o027)
    try:
        net.save(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o604)
        net.save(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o604
    finally:
        os.umask(before)


def test_the_umask_is_never_another_one(net, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("other threads' files would be open to all"))
    net.save(tmp_path / "model")
    net.save(tmp_path / "model")


@pytest.mark.skipif(not ROOT, reason="owners are root's to give")
def test_the_owner_stays(net, tmp_path, draft):
    path = tmp_path / "model"
    path.write_bytes(b"old")
    os.chown(path, 1234, 4321)
    net.save(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)
    lamina.load(path)


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="extended attributes")
def test_extended_attributes_stay(net, tmp_path, draft):
    path = tmp_path / "model"
    path.write_bytes(b"old")
    try:
        os.setxattr(path, "user.source", b"survey")
    except OSError:
        pytest.skip("this file system has none")
    net.save(path)
    assert os.getxattr(path, "user.source") == b"survey"


@pytest.mark.skipif(not ROOT, reason="takes two users")
def test_the_file_of_another_user(net, tmp_path, draft):
    folder = tmp_path
    while folder != folder.parent and folder.stat().st_uid == os.geteuid():
        folder.chmod(folder.stat().st_mode | 0o755)
        folder = folder.parent
    tmp_path.chmod(0o777)
    closed, open_to_all = tmp_path / "closed", tmp_path / "open"
    for path, mode in ((closed, 0o444), (open_to_all, 0o666)):
        path.write_bytes(b"a model of root's")
        path.chmod(mode)
    assert as_nobody(lambda: raises(PermissionError, lambda: net.save(closed)))
    assert closed.read_bytes() == b"a model of root's"
    assert as_nobody(lambda: net.save(open_to_all) is None)
    lamina.load(open_to_all)
    assert open_to_all.stat().st_uid == 0
    tmp_path.chmod(0o755)  # now the folder takes no new file
    assert as_nobody(lambda: net.save(open_to_all) is None)
    assert as_nobody(lambda: raises(PermissionError, lambda: net.save(tmp_path / "new")))
    assert sorted(os.listdir(tmp_path)) == ["closed", "open"]


@pytest.mark.skipif(not ROOT, reason="takes two users")
@pytest.mark.parametrize("why", ["closed", "sticky", "another's"])
def test_a_file_that_cannot_give_way_to_a_new_one(why, tmp_path, draft):
    """What is to be whole always is not written then, and that is known beforehand."""
    folder = tmp_path
    while folder != folder.parent and folder.stat().st_uid == os.geteuid():
        folder.chmod(folder.stat().st_mode | 0o755)
        folder = folder.parent
    path = tmp_path / "there"
    path.write_bytes(b"old")
    path.chmod(0o666)
    if why == "closed":
        os.chown(path, NOBODY, NOBODY)
    tmp_path.chmod({"closed": 0o755, "sticky": 0o1777, "another's": 0o777}[why])
    must = "must lie in a folder that may be written to"

    def refuses(work):
        try:
            work()
        except PermissionError as error:
            return must in str(error)
        return False

    assert as_nobody(lambda: refuses(lambda: check_replaceable(str(path))))
    assert as_nobody(lambda: refuses(lambda: write_whole(str(path), b"new", always=True)))
    assert path.read_bytes() == b"old"
    assert as_nobody(lambda: write_whole(str(path), b"new") is None)
    assert path.read_bytes() == b"new"
    if why == "closed":
        for work in (check_replaceable, lambda path: write_whole(path, b"", always=True)):
            assert as_nobody(lambda work=work: refuses(lambda: work(str(tmp_path / "none yet"))))
    assert os.listdir(tmp_path) == ["there"]
    check_replaceable(str(path))


def test_looking_whether_a_file_can_be_replaced_leaves_nothing(tmp_path, draft):
    path = tmp_path / "there"
    check_replaceable(str(path))
    assert not os.listdir(tmp_path)
    path.write_bytes(b"old")
    before = path.stat()
    check_replaceable(str(path))
    assert path.stat() == before
    assert os.listdir(tmp_path) == ["there"]
    assert raises(FileNotFoundError, lambda: check_replaceable(str(tmp_path / "none" / "a")))


def test_a_read_only_file_is_refused(net, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"keep")
    path.chmod(0o444)
    with pytest.raises(PermissionError, match="the file is read-only"):
        net.save(path)
    assert path.read_bytes() == b"keep"


@pytest.mark.parametrize("length", [240, 255])
def test_the_longest_names(length, net, tmp_path, draft):
    path = tmp_path / ("m" * length)
    for _ in range(2):
        net.save(path)
        lamina.load(path)
    assert os.listdir(tmp_path) == [path.name]


def test_no_folder_to_save_in(net, tmp_path):
    with pytest.raises(FileNotFoundError, match="path must lie in a folder that exists"):
        net.save(tmp_path / "missing" / "model")


# What is no regular file ----------------------------------------------------------------------------------------


def test_a_pipe_is_written_into(net, tmp_path):
    path, got = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()))
    reader.start()
    net.save(path)
    reader.join()
    assert stat.S_ISFIFO(path.stat().st_mode)
    net.save(tmp_path / "file")
    assert got == [(tmp_path / "file").read_bytes()]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux")
def test_devices_stay_devices(net):
    before = os.stat("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        net.save("/dev/full")
    net.save("/dev/null")
    assert os.path.samestat(before, os.stat("/dev/full"))
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_full_disk_leaves_a_file_that_is_written_straight_into(net, tmp_path, monkeypatch):
    """As one is that cannot be replaced: another user's, or one that is mounted."""
    path = tmp_path / "model"
    net.save(path)
    before, inode = path.read_bytes(), path.stat().st_ino
    monkeypatch.setattr(os, "replace", lambda *args, **kwargs: (_ for _ in ()).throw(OSError(16, "busy")))
    wider = lamina.Network([lamina.Dense(300), lamina.Dense(1)], n_inputs=2)
    with monkeypatch.context() as patch:
        fallocate = os.posix_fallocate
        patch.setattr(os, "posix_fallocate", lambda *args: fallocate(args[0], 0, 2000) or fallocate(args[0], 0, 2**62))
        with pytest.raises(OSError, match=r"too large|No space"):
            wider.save(path)
    assert path.read_bytes() == before
    wider.save(path)
    assert lamina.load(path).layers[0].units == 300
    net.save(path)
    assert path.read_bytes() == before
    assert path.stat().st_ino == inode
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="Linux")
@pytest.mark.parametrize("to", ["pipe", "file"])
def test_the_output_of_a_program(to, tmp_path):
    code = "import lamina; lamina.Network([lamina.Dense(1)], n_inputs=2).save('/dev/stdout')"
    path = tmp_path / "out"
    with path.open("wb") as file:
        stdout = file if to == "file" else subprocess.PIPE
        done = subprocess.run([sys.executable, "-c", code], stdout=stdout, check=True)
        inode = os.fstat(file.fileno()).st_ino
    if to == "pipe":
        path.write_bytes(done.stdout)
    assert path.stat().st_ino == inode  # what was opened for the program, and not another file of that name
    lamina.load(path)


def test_what_is_no_file_is_refused_at_once(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    started = time.perf_counter()
    for other in (path, "/dev/zero", "/dev/null"):
        with pytest.raises(lamina.ModelFileError, match="is no regular file, but a pipe, a device or a socket"):
            lamina.load(other)
    assert time.perf_counter() - started < 1


# Saves that end early -------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_old_file_and_nothing_else(net, tmp_path, draft, monkeypatch):
    path = tmp_path / "model"
    net.save(path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        net.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model"]


def test_the_folder_is_synced_after_the_rename(net, tmp_path, draft, monkeypatch):
    synced = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(stat.S_ISDIR(os.fstat(fd).st_mode)) or fsync(fd))
    monkeypatch.setattr(os, "replace", lambda *args, **kw: synced.append("rename") or replace(*args, **kw))
    net.save(tmp_path / "model")
    net.save(tmp_path / "model")
    assert synced[-3:] == [False, "rename", True]


def test_killed_saves_leave_a_whole_file_and_nothing_else(tmp_path, draft):
    """A child saves two contents by turns to one name, and is killed at any time."""
    path, rng = tmp_path / "model", np.random.default_rng(0)
    contents = [bytes([value]) * 300_000 for value in (1, 2)]
    write_whole(str(path), contents[0])
    end, kills = time.monotonic() + TIMES, 0
    while time.monotonic() < end or kills < 3:
        child = os.fork()
        if child == 0:
            while True:
                for content in contents:
                    write_whole(str(path), content)
        time.sleep(rng.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        kills += 1
        assert path.read_bytes() in contents
        assert len(os.listdir(tmp_path)) <= 2, "what a kill leaves is found again"
    write_whole(str(path), contents[0])
    assert os.listdir(tmp_path) == ["model"]


def test_what_a_kill_left_is_cleared_away(tmp_path, monkeypatch, draft):
    path = tmp_path / "model"
    write_whole(str(path), b"old")

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        patch.setattr(os, "unlink", lambda *args, **kwargs: None)  # the program did not get so far
        with pytest.raises(KeyboardInterrupt):
            write_whole(str(path), b"new")
    assert len(os.listdir(tmp_path)) == 2
    write_whole(str(path), b"newer")
    assert os.listdir(tmp_path) == ["model"]
    assert path.read_bytes() == b"newer"


def test_many_save_to_one_name(tmp_path, draft):
    path, errors = tmp_path / "model", []
    contents = [bytes([value]) * 100_000 for value in range(6)]

    def work(content):
        try:
            for _ in range(15):
                write_whole(str(path), content)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert not path.exists() or path.read_bytes() in contents
    for thread in threads:
        thread.join()
    assert not errors
    assert os.listdir(tmp_path) == ["model"]
