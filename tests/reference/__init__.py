"""A plain NumPy multi-layer perceptron that reads like the course: what `lamina` is tested against.

Notation, as in the course: ``z`` is a unit's logit, ``y = f(z)`` its output, ``t`` a target, ``E`` the error
and ``delta = dE/dz``. Rows are samples; a weight matrix is (fan_in, fan_out).
"""
