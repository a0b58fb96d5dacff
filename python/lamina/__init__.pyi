"""Neural networks on a CPU. Written by tools/write_stubs.py; do not edit."""

from lamina import activations as activations
from lamina import callbacks as callbacks
from lamina import cli as cli
from lamina import estimators as estimators
from lamina import initializers as initializers
from lamina import layers as layers
from lamina import losses as losses
from lamina import optimizers as optimizers
from lamina import plots as plots
from lamina import plots_cascade as plots_cascade
from lamina import schedules as schedules
from lamina import space as space
from lamina._core import AGC as AGC
from lamina._core import LBFGS as LBFGS
from lamina._core import SGD as SGD
from lamina._core import Activation as Activation
from lamina._core import Adagrad as Adagrad
from lamina._core import Adam as Adam
from lamina._core import AdamW as AdamW
from lamina._core import BatchNorm as BatchNorm
from lamina._core import ClipNorm as ClipNorm
from lamina._core import Dense as Dense
from lamina._core import Dropout as Dropout
from lamina._core import LevenbergMarquardt as LevenbergMarquardt
from lamina._core import NAdam as NAdam
from lamina._core import Quickprop as Quickprop
from lamina._core import Recurrent as Recurrent
from lamina._core import RMSprop as RMSprop
from lamina._core import Rprop as Rprop
from lamina._core import Shortcut as Shortcut
from lamina.cascade import CascadeNetwork as CascadeNetwork
from lamina.data.sequences import pad as pad
from lamina.data.splits import Split as Split
from lamina.data.splits import split as split
from lamina.diagnosis import diagnose as diagnose
from lamina.diagnosis.gradients import check_gradients as check_gradients
from lamina.estimators import CascadeClassifier as CascadeClassifier
from lamina.estimators import CascadeRegressor as CascadeRegressor
from lamina.estimators import MLPClassifier as MLPClassifier
from lamina.estimators import MLPRegressor as MLPRegressor
from lamina.estimators import RecurrentClassifier as RecurrentClassifier
from lamina.estimators import RecurrentRegressor as RecurrentRegressor
from lamina.model_file import load as load
from lamina.network.network import Network as Network
from lamina.optimizers import SAM as SAM
from lamina.selection.comparison import compare as compare
from lamina.selection.cross_validation import cross_validate as cross_validate
from lamina.selection.ensemble import Ensemble as Ensemble
from lamina.selection.search import search as search
from lamina.storage.container import ModelFileError as ModelFileError
from lamina.training.callbacks import DivergenceWarning as DivergenceWarning
from lamina.training.callbacks import EarlyStopping as EarlyStopping
from lamina.training.callbacks import Epoch as Epoch
from lamina.training.callbacks import History as History

__version__: str

def set_num_threads(n: int) -> None: ...
def get_num_threads() -> int: ...
def simd_level() -> str: ...
