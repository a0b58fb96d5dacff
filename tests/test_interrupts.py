"""Work that Ctrl-C may put an end to, but not cut short."""

import itertools

import pytest

from lamina.interrupts import insist


class Work:
    """Steps, of which some are broken off before they have done anything."""

    def __init__(self, steps, errors=()):
        self.left, self.errors, self.tries = steps, iter(errors), 0

    def is_done(self):
        return self.left == 0

    def step(self):
        self.tries += 1
        if (error := next(self.errors, None)) is not None:
            raise error
        self.left -= 1


def test_steps_are_taken_until_all_is_done():
    work = Work(3)
    insist(work.is_done, work.step)
    assert work.tries == 3


def test_work_that_is_done_has_no_step():
    work = Work(0)
    insist(work.is_done, work.step)
    assert work.tries == 0


@pytest.mark.parametrize("times", [1, 2, 50])
def test_ctrl_c_is_raised_once_all_is_done(times):
    work = Work(2, [KeyboardInterrupt(number) for number in range(times)])
    with pytest.raises(KeyboardInterrupt, match=f"^{times - 1}$"):
        insist(work.is_done, work.step)
    assert work.left == 0


def test_ctrl_c_while_one_asks_is_put_off_too():
    work, asked = Work(2), []

    def is_done():
        asked.append(None)
        if len(asked) < 5:
            raise KeyboardInterrupt
        return work.is_done()

    with pytest.raises(KeyboardInterrupt):
        insist(is_done, work.step)
    assert work.left == 0


def test_another_error_is_raised_once_all_is_done():
    work = Work(2, [MemoryError("one"), KeyboardInterrupt(), MemoryError("other")])
    with pytest.raises(MemoryError, match="other"):
        insist(work.is_done, work.step)
    assert work.left == 0


def test_what_fails_again_and_again_is_given_up():
    work = Work(1, itertools.repeat(MemoryError("none left")))
    with pytest.raises(MemoryError, match="none left"):
        insist(work.is_done, work.step)
    assert work.left == 1
    assert 1 < work.tries < 10
