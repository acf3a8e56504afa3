"""The types of the names that `__init__.py` loads when they are used."""

from nasnet_keras.search.assembly import imagenet_networks as imagenet_networks
from nasnet_keras.search.engines.local import Isolated as Isolated
from nasnet_keras.search.engines.on_ray import OnRay as OnRay
from nasnet_keras.search.engines.tuner import CellTuner as CellTuner
from nasnet_keras.search.evaluators.children import ChildRecipe as ChildRecipe
from nasnet_keras.search.evaluators.evaluator import Evaluation as Evaluation
from nasnet_keras.search.evaluators.evaluator import Evaluator as Evaluator
from nasnet_keras.search.evaluators.evaluator import (
    EvaluatorError as EvaluatorError,
)
from nasnet_keras.search.evaluators.from_scratch import (
    TrainFromScratch as TrainFromScratch,
)
from nasnet_keras.search.evaluators.limits import Limits as Limits
from nasnet_keras.search.evaluators.network import Network as Network
from nasnet_keras.search.evaluators.rewards import Reward as Reward
from nasnet_keras.search.evaluators.shared.evaluator import Rounds as Rounds
from nasnet_keras.search.evaluators.shared.evaluator import (
    SharedWeights as SharedWeights,
)
from nasnet_keras.search.evaluators.shared.supernet import Supernet as Supernet
from nasnet_keras.search.evaluators.stopping import (
    MedianStopping as MedianStopping,
)
from nasnet_keras.search.evaluators.tabular import Tabular as Tabular
from nasnet_keras.search.oracles.adapter import SpaceOracle as SpaceOracle
from nasnet_keras.search.oracles.keras_tuner_oracles import (
    EvolutionOracle as EvolutionOracle,
)
from nasnet_keras.search.oracles.keras_tuner_oracles import (
    PPOOracle as PPOOracle,
)
from nasnet_keras.search.oracles.keras_tuner_oracles import (
    PredictorOracle as PredictorOracle,
)
from nasnet_keras.search.oracles.keras_tuner_oracles import (
    RandomOracle as RandomOracle,
)
from nasnet_keras.search.oracles.keras_tuner_oracles import (
    ReinforceOracle as ReinforceOracle,
)
from nasnet_keras.search.oracles.ledger import (
    SearchMismatchError as SearchMismatchError,
)
from nasnet_keras.search.policy.controller import Controller as Controller
from nasnet_keras.search.policy.settings import Settings as Settings
from nasnet_keras.search.results import SearchResults as SearchResults
from nasnet_keras.search.results import open_search as open_search
from nasnet_keras.search.retraining import retrain as retrain
from nasnet_keras.search.run import search as search
from nasnet_keras.search.spaces import DARTSSpace as DARTSSpace
from nasnet_keras.search.spaces import Decision as Decision
from nasnet_keras.search.spaces import NASBench201Space as NASBench201Space
from nasnet_keras.search.spaces import NASNetSpace as NASNetSpace
from nasnet_keras.search.spaces import SearchSpace as SearchSpace
from nasnet_keras.search.spaces import WiredSpace as WiredSpace
from nasnet_keras.search.spaces import find_space as find_space

Found = SearchResults  # Its former name.
