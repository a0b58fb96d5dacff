"""Every module here with a `TASKS` list adds its tasks; nothing else names them."""

import importlib
import pkgutil

from tasks.base import Arrays, Task


def all_tasks() -> dict[str, Task]:
    """Tasks by name, in the order of the module names' `ORDER`."""
    modules = [importlib.import_module(f"tasks.{m.name}") for m in pkgutil.iter_modules(__path__)]
    modules = sorted((m for m in modules if hasattr(m, "TASKS")), key=lambda m: m.ORDER)
    return {task.name: task for module in modules for task in module.TASKS}


__all__ = ["Arrays", "Task", "all_tasks"]
