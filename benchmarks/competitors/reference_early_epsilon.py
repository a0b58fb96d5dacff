"""The reference with Adam's epsilon added before the second moment's bias correction (Kingma & Ba 2015, section 2)."""

from competitors import reference


def build(task, arrays, threads):
    return reference.build(task, arrays, threads, early_epsilon=True)
