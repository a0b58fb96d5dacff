"""Forked processes, and what they say."""

import json
import os
import resource
import select
import signal
import time
import traceback


class Child:
    """A forked process that runs `work()`; its value, or what was raised, comes back as JSON.

    `limits` are soft limits of `resource` by their numbers, as long as `work` runs.
    """

    def __init__(self, work, limits=None):
        self._read, write = os.pipe()
        self._said, self.status = b"", None
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._read)
            _answer(work, limits or {}, write)
        os.close(write)

    def ended_within(self, seconds):
        """Whether it has said all that it had to say."""
        until = time.monotonic() + seconds
        while select.select([self._read], [], [], max(0.0, until - time.monotonic()))[0]:
            data = os.read(self._read, 1 << 16)
            if not data:
                return True
            self._said += data
        return False

    def kill(self):
        """End it at once, and return whether it was still at work."""
        os.kill(self.pid, signal.SIGKILL)
        return self._waited() == -signal.SIGKILL

    def answer(self, seconds=120, aborts=False):
        """Return {"value": ...} or {"error": name, "words": traceback}; AssertionError for a crash or a hang.

        With `aborts`, {"aborted": True} where the process was ended from within, by `abort` or by the system's loader.
        """
        if not self.ended_within(seconds):
            self.kill()
            raise AssertionError(f"hangs: not done after {seconds} seconds")
        status = self._waited()
        if aborts and status in (-signal.SIGABRT, 127):
            return {"aborted": True}
        assert status == 0, f"crashed: ended with {status}"
        return json.loads(self._said)

    def value(self, seconds=120):
        """Return what the work returned."""
        answer = self.answer(seconds)
        assert "value" in answer, answer["words"]
        return answer["value"]

    def _waited(self):
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self._read)
        return self.status


def _answer(work, limits, write):
    """In the child: never return."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        before = {limit: resource.getrlimit(limit) for limit in limits}
        try:
            for limit, value in limits.items():
                resource.setrlimit(limit, (value, before[limit][1]))
            answer = {"value": work()}
        except BaseException as error:
            for limit, value in before.items():
                resource.setrlimit(limit, value)
            answer = {"error": type(error).__name__, "words": traceback.format_exc()}
        for limit, value in before.items():
            resource.setrlimit(limit, value)
        data = json.dumps(answer).encode()
        while data:
            data = data[os.write(write, data) :]
        code = 0
    finally:
        os._exit(code)


def memory(field, pid="self"):
    """Bytes, by their name in /proc/PID/status."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(f"{field}:"))


def forget_peak():
    """Let VmHWM begin anew at what is in use now."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
