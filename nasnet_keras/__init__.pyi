"""The types of the names that `__init__.py` loads when they are used."""

from nasnet_keras.cells import NormalCell as NormalCell
from nasnet_keras.cells import ReductionCell as ReductionCell
from nasnet_keras.cells.conventions import Conventions as Conventions
from nasnet_keras.cells.operations import OPERATIONS as OPERATIONS
from nasnet_keras.cells.operations import PAPER_OPERATIONS as PAPER_OPERATIONS
from nasnet_keras.cells.operations import (
    register_operation as register_operation,
)
from nasnet_keras.features import Backbone as Backbone
from nasnet_keras.genotypes import Block as Block
from nasnet_keras.genotypes import Cell as Cell
from nasnet_keras.genotypes import Genotype as Genotype
from nasnet_keras.genotypes.files import load_genotype as load_genotype
from nasnet_keras.genotypes.published import NASNET_A as NASNET_A
from nasnet_keras.genotypes.published import PUBLISHED as PUBLISHED
from nasnet_keras.images.imagenet import (
    decode_predictions as decode_predictions,
)
from nasnet_keras.images.imagenet import preprocess_input as preprocess_input
from nasnet_keras.layers.drop_path import DropPath as DropPath
from nasnet_keras.model_files import load_model as load_model
from nasnet_keras.networks.build import NASNet as NASNet
from nasnet_keras.presets import get_preset as get_preset
from nasnet_keras.presets import list_presets as list_presets
from nasnet_keras.presets.types import Preset as Preset
from nasnet_keras.training.discriminative import (
    discriminative_optimizer as discriminative_optimizer,
)
from nasnet_keras.training.drop_path import AdaptiveDropPath as AdaptiveDropPath
from nasnet_keras.training.drop_path import (
    ScheduledDropPath as ScheduledDropPath,
)
from nasnet_keras.training.fine_tuning import (
    freeze_batch_norm as freeze_batch_norm,
)
from nasnet_keras.training.fine_tuning import freeze_to as freeze_to
from nasnet_keras.training.fine_tuning import replace_head as replace_head
from nasnet_keras.training.fine_tuning import unfreeze_from as unfreeze_from
from nasnet_keras.training.remat import rematerialize as rematerialize
from nasnet_keras.weights import (
    load_keras_applications as load_keras_applications,
)
from nasnet_keras.weights import load_tf_slim as load_tf_slim
from nasnet_keras.zoo import NASNetCIFAR as NASNetCIFAR
from nasnet_keras.zoo import NASNetLarge as NASNetLarge
from nasnet_keras.zoo import NASNetMobile as NASNetMobile
from nasnet_keras.zoo import PNASNetLarge as PNASNetLarge
from nasnet_keras.zoo import PNASNetMobile as PNASNetMobile
from nasnet_keras.zoo import from_preset as from_preset
from nasnet_keras.zoo import save_preset as save_preset

__version__: str
