"""What `compare.py` times, in one build of lamina: the tasks, and the process that runs them on request."""

import gc
import hashlib
import json
import resource
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from competitors.worker import serve, status_bytes
from tasks import all_tasks

# Values of a result that are handed on, to tell how far apart two results are whose bits differ.
SAMPLES = 1000


class Subject:
    """One task, built: what is timed and what it comes to."""

    def __init__(self, run, result, steps=1):
        self.run = run
        """run(n) does n pieces of work of `steps` steps each."""
        self.result = result
        """result() starts from the seed, does a fixed amount of work and returns its arrays."""
        self.steps = steps


def repeated(work):
    def run(n):
        for _ in range(n):
            work()

    return run


def readings():
    cut_in = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
    return {"clock": time.perf_counter(), "cores": time.process_time(), "cut_in": cut_in}


def parameters(net):
    return list(net.parameters.values())


def built(task, threads):
    from competitors import lamina as engine

    arrays = task.arrays()
    return engine.build(task, arrays, threads), arrays


def training(task, threads):
    subject, _ = built(task, threads)

    def result():
        passes = -(-task.check_steps // task.batches)
        subject.run_steps(passes * task.batches)
        return parameters(subject.net)

    return Subject(lambda n: subject.run_steps(n * task.batches), result, task.batches)


def prediction(task, threads):
    """The result is that of one prediction; a network with batch norm has seen its rows once, for their statistics."""
    subject, arrays = built(task, threads)
    if task.batch_norm:
        subject.run_steps(task.batches)
    predict = partial(subject.predict, subject.prepare(arrays.X))
    return Subject(repeated(predict), lambda: [predict()])


def gradient(task, threads):
    """Loss and gradient, without a step."""
    subject, arrays = built(task, threads)
    work = partial(subject.net.loss_and_gradients, arrays.X, arrays.y)
    return Subject(repeated(work), lambda: list(work()[1].values()))


def whole_fits(make, threads, X, y, **options):
    """A piece is a fit of a new network; so many iterations and no more, since rounding grows from each to the next."""
    import lamina

    lamina.set_num_threads(threads)

    def fit():
        net = make()
        net.fit(X, y, **options)
        return net

    return Subject(repeated(fit), lambda: parameters(fit()))


def cascade(threads, units=8):
    import lamina

    sys.path.append(str(Path(__file__).parent.parent / "examples"))
    from two_spirals import spirals

    return whole_fits(partial(lamina.CascadeNetwork, 2, max_units=units), threads, *spirals())


def solver(name, threads, epochs=20):
    """A regression of 500 rows in two dimensions, in float64 as such fits are done."""
    import lamina

    rng = np.random.default_rng(1)
    X = rng.uniform(-2, 2, (500, 2))
    y = np.sin(2 * X[:, 0]) * np.cos(X[:, 1]) + 0.1 * rng.standard_normal(500)

    def make():
        return lamina.Network([lamina.Dense(12, "tanh"), lamina.Dense(1)], n_inputs=2, dtype="float64")

    optimizer = getattr(lamina, name)(tolerance=0, loss_tolerance=0)
    settings = {"validation": None, "early_stopping": None}
    return whole_fits(make, threads, X, y, epochs=epochs, optimizer=optimizer, **settings)


def all_subjects():
    """Functions of the number of threads by the tasks' names."""
    tasks, subjects = all_tasks(), {}
    names = "T S M L simplechains recurrent predict_row predict_million M_batch_norm M_dropout M_agc M_sam"
    for name in names.split():
        subjects[name] = partial(prediction if tasks[name].kind == "prediction" else training, tasks[name])
    # The publication's second figure: 24-8-2, tanh, the squared error of 200 rows.
    small = {"layers": (24, 8, 2), "batch": 200, "activation": "tanh", "loss": "squared_error"}
    subjects["simplechains_gradient"] = partial(gradient, replace(tasks["simplechains"], **small))
    subjects["predict_batch_norm"] = partial(prediction, tasks["M_batch_norm"])
    subjects["cascade"] = cascade
    subjects["levenberg_marquardt"] = partial(solver, "LevenbergMarquardt")
    subjects["lbfgs"] = partial(solver, "LBFGS")
    return subjects


class Session:
    """One method per request."""

    def __init__(self):
        self.subject = None

    def about(self, threads):
        import lamina

        return {"version": lamina.__version__, "level": lamina.simd_level(), "path": str(Path(lamina.__file__).parent)}

    def build(self, threads, name):
        self.subject = all_subjects()[name](threads)
        return self.subject.steps

    def result(self, threads):
        """The hash of the result's bits, and some of its values."""
        flat = np.concatenate([np.ravel(array) for array in self.subject.result()])
        if not np.isfinite(flat).all():
            raise ArithmeticError("the result is not finite")
        values = flat[:: max(1, flat.size // SAMPLES)]
        return {"sha256": hashlib.sha256(flat.tobytes()).hexdigest(), "values": values.tolist()}

    def time(self, threads, pieces):
        """How long so many pieces of work take, on the clock and on the cores, and how often other processes cut in."""
        gc.collect()
        gc.disable()
        before = readings()
        self.subject.run(pieces)
        after = readings()
        gc.enable()
        return {key: after[key] - before[key] for key in before}

    def memory(self, threads, name):
        """Bytes of this process at its peak, after it has built the task and done its fixed amount of work."""
        self.build(threads, name)
        self.subject.result()
        return status_bytes("VmHWM")


if __name__ == "__main__":
    serve(Session, json.loads(sys.argv[2]))
