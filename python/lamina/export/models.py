"""What every export asks of the model that it is given, before anything is written."""

from __future__ import annotations

from typing import Any

from lamina.callers import warn_caller
from lamina.network import Network

__all__ = ["hint_for", "warn_of_normalization_due"]

#: By library and class, which the model's own may come from: what brings it here.
_OF_OTHERS = {
    ("sklearn", "MLPClassifier"): "lamina.from_sklearn(model)",
    ("sklearn", "MLPRegressor"): "lamina.from_sklearn(model)",
    ("torch", "Module"): "lamina.from_torch(model)",
    ("keras", "Model"): "lamina.from_keras(model)",
    ("tf_keras", "Model"): "lamina.from_keras(model)",
    ("onnx", "ModelProto"): "lamina.from_onnx(path)",
}


def hint_for(model: Any) -> str:
    """Return what to say of a model that is another library's, to go behind what it is; "" where there is nothing."""
    for kind in type(model).__mro__:
        made = _OF_OTHERS.get((kind.__module__.partition(".")[0], kind.__name__))
        if made is not None:
            return f": {made} is the same as a model of lamina's"
    return ""


def warn_of_normalization_due(model: Any) -> None:
    """Warn where a network is to bring its inputs or targets to size by its first fit, which is still to come."""
    for net in getattr(model, "members", [getattr(model, "network_", model)]):
        if not isinstance(net, Network):  # a cascade is exported once it has grown
            continue
        asked = {"inputs": bool(net.normalize_inputs), "targets": net.normalize_targets}
        known = {"inputs": "input.mean" in net.scales, "targets": "target.mean" in net.scales}
        due = [what for what in asked if asked[what] and not known[what]]
        if due:
            told = " and ".join(due)
            warn_caller(
                f"the first fit of the network is to normalise its {told}, and has not been: what is exported takes "
                f"{told} as they are, now and later. Fit the network first",
                UserWarning,
            )
            return
