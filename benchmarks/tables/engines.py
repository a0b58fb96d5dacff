"""The engines: each is made (which imports all it needs), fitted on a `Split` and asked for predictions.

All are fitted on the training rows and choose their number of rounds or epochs by the validation rows, with one thread.
`predict` gives probabilities, one column a class, or values.
"""

import importlib.metadata
import importlib.util

import numpy as np
import pandas as pd


class Engine:
    title = ""
    package = ""  # whose version counts
    modules = ()  # what must be there

    def __init__(self, split):
        self.classes, self.seed, self.split = split.classes, split.number, split

    def fit(self, split):
        raise NotImplementedError

    def predict(self, X):
        return self.model.predict_proba(X) if self.classes else self.model.predict(X)

    @property
    def class_numbers(self):
        """Which class each column of the probabilities is."""
        return self.model.classes_

    @classmethod
    def installed(cls):
        try:
            return all(importlib.util.find_spec(name) for name in cls.modules)
        except ModuleNotFoundError:  # of a module within a package that is not there
            return False

    @classmethod
    def version(cls):
        try:
            return importlib.metadata.version(cls.package)
        except importlib.metadata.PackageNotFoundError:
            return getattr(importlib.import_module(cls.package), "__version__", "unknown")


class Lamina(Engine):
    title, package, modules = "lamina, default preset", "lamina", ("lamina.tabular",)
    options = {}  # noqa: RUF012

    def __init__(self, split):
        super().__init__(split)
        import lamina

        estimator = lamina.TabularClassifier if self.classes else lamina.TabularRegressor
        self.model = estimator(random_state=self.seed, n_jobs=1, **self.options)

    def fit(self, split):
        self.model.fit(split.training.X, split.training.y, X_val=split.validation.X, y_val=split.validation.y)


class LaminaFast(Lamina):
    title = "lamina, preset 'fast'"
    options = {"preset": "fast"}  # noqa: RUF012


def _both(split):
    """Training and validation rows, for an engine that has no use for validation rows of its own."""
    parts = split.training, split.validation
    return pd.concat([p.X for p in parts], ignore_index=True), np.concatenate([p.y for p in parts])


class ScikitMLP(Engine):
    """Its defaults, with the usual pipeline around it; it cannot be given validation rows, so it trains on them too."""

    title, package, modules = "scikit-learn MLP", "scikit-learn", ("sklearn",)

    def __init__(self, split):
        super().__init__(split)
        from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
        from sklearn.impute import SimpleImputer
        from sklearn.neural_network import MLPClassifier, MLPRegressor
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
        categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        inputs = ColumnTransformer([("numbers", numbers, split.numeric), ("categories", categories, split.categorical)])
        if self.classes:
            self.model = make_pipeline(inputs, MLPClassifier(random_state=self.seed))
        else:
            network = make_pipeline(inputs, MLPRegressor(random_state=self.seed))
            self.model = TransformedTargetRegressor(network, transformer=StandardScaler())

    def fit(self, split):
        self.model.fit(*_both(split))


class HistGradientBoosting(Engine):
    title, package, modules = "HistGradientBoosting", "scikit-learn", ("sklearn",)

    def __init__(self, split):
        super().__init__(split)
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        estimator = HistGradientBoostingClassifier if self.classes else HistGradientBoostingRegressor
        self.model = estimator(max_iter=1000, early_stopping=True, random_state=self.seed)

    def fit(self, split):
        held_out = split.validation
        self.model.fit(split.training.X, split.training.y, X_val=held_out.X, y_val=held_out.y)


class LightGBM(Engine):
    title, package, modules = "LightGBM", "lightgbm", ("lightgbm",)

    def __init__(self, split):
        super().__init__(split)
        import lightgbm

        estimator = lightgbm.LGBMClassifier if self.classes else lightgbm.LGBMRegressor
        self.model = estimator(learning_rate=0.05, n_estimators=1000, n_jobs=1, random_state=self.seed, verbose=-1)
        self.callbacks = [lightgbm.early_stopping(50, verbose=False)]

    def fit(self, split):
        held_out = [(split.validation.X, split.validation.y)]
        self.model.fit(split.training.X, split.training.y, eval_set=held_out, callbacks=self.callbacks)


class XGBoost(Engine):
    title, package, modules = "XGBoost", "xgboost", ("xgboost",)

    def __init__(self, split):
        super().__init__(split)
        import xgboost

        estimator = xgboost.XGBClassifier if self.classes else xgboost.XGBRegressor
        stopping = {"learning_rate": 0.05, "n_estimators": 1000, "early_stopping_rounds": 50}
        self.model = estimator(enable_categorical=True, n_jobs=1, random_state=self.seed, **stopping)

    def fit(self, split):
        held_out = [(split.validation.X, split.validation.y)]
        self.model.fit(split.training.X, split.training.y.astype(float), eval_set=held_out, verbose=False)


class CatBoost(Engine):
    title, package, modules = "CatBoost", "catboost", ("catboost",)

    def __init__(self, split):
        super().__init__(split)
        import catboost

        estimator = catboost.CatBoostClassifier if self.classes else catboost.CatBoostRegressor
        self.model = estimator(thread_count=1, random_seed=self.seed, verbose=False, allow_writing_files=False)
        self.categorical = split.categorical

    def _inputs(self, X):
        # It takes categories as text only, and none that is missing.
        return X.assign(**{name: X[name].astype(object).fillna("missing").astype(str) for name in self.categorical})

    def fit(self, split):
        held_out = (self._inputs(split.validation.X), split.validation.y)
        inputs = self._inputs(split.training.X)
        stopping = {"eval_set": held_out, "early_stopping_rounds": 50}
        self.model.fit(inputs, split.training.y, cat_features=self.categorical, **stopping)

    def predict(self, X):
        return super().predict(self._inputs(X))


class Pytabkit(Engine):
    """With the columns' means for missing numbers, which it does not take, and columns that say where they were."""

    package = "pytabkit"
    modules = ("pytabkit", "torch")
    stem = ""

    def __init__(self, split):
        super().__init__(split)
        import pytabkit.models.alg_interfaces.nn_interfaces
        import pytabkit.models.alg_interfaces.tabm_interface  # noqa: F401, imported before the clock starts
        from pytabkit.models.sklearn import sklearn_interfaces

        estimator = getattr(sklearn_interfaces, f"{self.stem}_{'Classifier' if self.classes else 'Regressor'}")
        self.model = estimator(device="cpu", n_threads=1, random_state=self.seed)
        self.categorical = split.categorical

    def _inputs(self, X):
        return X.assign(
            **{name: X[name].fillna(mean).astype("float32") for name, mean in self.means.items()},
            **{f"{name} is missing": X[name].isna().astype("float32") for name in self.gaps},
        )

    def fit(self, split):
        numbers = split.training.X[split.numeric]
        self.means = numbers.mean().to_dict()
        self.gaps = [name for name in split.numeric if numbers[name].isna().any()]
        inputs, held_out = self._inputs(split.training.X), self._inputs(split.validation.X)
        y, y_held_out = split.training.y, split.validation.y
        if not self.classes:
            y, y_held_out = y.astype("float32"), y_held_out.astype("float32")
        self.model.fit(inputs, y, X_val=held_out, y_val=y_held_out, cat_col_names=self.categorical)

    def predict(self, X):
        return super().predict(self._inputs(X))


class RealMLP(Pytabkit):
    title, stem = "RealMLP-TD", "RealMLP_TD"


class RealMLPSimple(Pytabkit):
    title, stem = "RealMLP-TD-S", "RealMLP_TD_S"


class TabM(Pytabkit):
    title, stem = "TabM", "TabM_D"


ENGINES = {
    "lamina": Lamina,
    "lamina_fast": LaminaFast,
    "sklearn_mlp": ScikitMLP,
    "hist_gradient_boosting": HistGradientBoosting,
    "lightgbm": LightGBM,
    "xgboost": XGBoost,
    "catboost": CatBoost,
    "realmlp": RealMLP,
    "realmlp_simple": RealMLPSimple,
    "tabm": TabM,
}
