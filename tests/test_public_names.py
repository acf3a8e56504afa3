"""The public names: none gets lost, and type checkers see them all."""

import ast
import importlib
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
NAMES = {
    "nasnet_keras": """
        AdaptiveDropPath Backbone Block Cell Conventions DropPath Genotype
        NASNET_A NASNet NASNetCIFAR NASNetLarge NASNetMobile NormalCell
        OPERATIONS PAPER_OPERATIONS PNASNetLarge PNASNetMobile PUBLISHED Preset
        ReductionCell ScheduledDropPath decode_predictions
        discriminative_optimizer freeze_batch_norm freeze_to from_preset
        get_preset list_presets load_genotype load_keras_applications load_model
        load_tf_slim preprocess_input register_operation rematerialize
        replace_head save_preset unfreeze_from
    """,
    "nasnet_keras.search": """
        CellTuner ChildRecipe Controller DARTSSpace Decision Evaluation
        Evaluator EvaluatorError EvolutionOracle Found Isolated Limits
        MedianStopping
        NASBench201Space NASNetSpace Network OnRay PPOOracle PredictorOracle
        RandomOracle ReinforceOracle Reward Rounds SearchMismatchError
        SearchResults SearchSpace Settings SharedWeights SpaceOracle Supernet
        Tabular TrainFromScratch WiredSpace find_space imagenet_networks
        open_search retrain search
    """,
}
PATHS = {
    "nasnet_keras.training.data": "load_dataset",
    "nasnet_keras.training.fit": "fit",
    "nasnet_keras.training.recipes": "Recipe",
    "nasnet_keras.summary": "totals",
    "nasnet_keras.visualize": "plot_genotype",
}


@pytest.mark.parametrize("package", NAMES)
def test_no_name_is_lost(package):
    module = importlib.import_module(package)
    assert sorted(module.__all__) == sorted(NAMES[package].split())
    for name in module.__all__:
        assert getattr(module, name) is not None


@pytest.mark.parametrize("module", PATHS)
def test_public_paths(module):
    assert callable(getattr(importlib.import_module(module), PATHS[module]))


@pytest.mark.parametrize("package", NAMES)
def test_type_checkers_see_the_same_names(package):
    """`__init__.pyi` says statically what `__init__.py` does when asked."""
    folder = package.replace("nasnet_keras.search", "search")
    stub = ast.parse((ROOT / folder / "__init__.pyi").read_text())
    found = {}
    for node in stub.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                module = importlib.import_module(node.module)
                found[alias.asname] = getattr(module, alias.name)
        if isinstance(node, ast.Assign):  # A former name.
            found[node.targets[0].id] = found[node.value.id]
    module = importlib.import_module(package)
    assert found == {name: getattr(module, name) for name in module.__all__}
