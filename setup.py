"""Packaging: `search/` installs as `nasnet_keras.search`."""

import pathlib
import re

from setuptools import setup

HERE = pathlib.Path(__file__).parent
INIT = (HERE / "nasnet_keras" / "__init__.py").read_text()

PLOTS = ["matplotlib>=3.8"]
SEARCH = [
    *PLOTS,
    "psutil>=5.9",
    "scikit-learn>=1.4",
    "threadpoolctl>=3.1",
    "tqdm>=4.66",
]
HUB = ["keras-hub>=0.32"]
# What writes an exported model, and what runs it to compare. With TensorFlow
# come its own format and the writer of LiteRT.
EXPORT = [
    "tf2onnx>=1.17",
    "onnx>=1.19",
    "onnxruntime>=1.23",
    "openvino>=2025.4",
    "nncf>=2.19",
    "ai-edge-litert>=2.1",
]
RAY = ["ray>=2.59"]
BACKENDS = {"jax": ["jax>=0.4.38"], "torch": ["torch>=2.6"]}

setup(
    name="nasnet-keras",
    version=re.search(r'__version__ = "(.+)"', INIT).group(1),
    description="NASNet for Keras 3: the networks, and the search for new ones",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=[
        "nasnet_keras",
        "nasnet_keras.cells",
        "nasnet_keras.cli",
        "nasnet_keras.deploy",
        "nasnet_keras.deploy.exporting",
        "nasnet_keras.deploy.fusing",
        "nasnet_keras.genotypes",
        "nasnet_keras.images",
        "nasnet_keras.model_files",
        "nasnet_keras.inference",
        "nasnet_keras.layers",
        "nasnet_keras.networks",
        "nasnet_keras.presets",
        "nasnet_keras.runs",
        "nasnet_keras.training",
        "nasnet_keras.training.data",
        "nasnet_keras.training.feeds",
        "nasnet_keras.training.recipes",
        "nasnet_keras.visualize",
        "nasnet_keras.weights",
        "nasnet_keras.search",
        "nasnet_keras.search.commands",
        "nasnet_keras.search.engines",
        "nasnet_keras.search.evaluators",
        "nasnet_keras.search.evaluators.shared",
        "nasnet_keras.search.oracles",
        "nasnet_keras.search.policy",
        "nasnet_keras.search.spaces",
        "nasnet_keras.pretrained",
    ],
    package_dir={
        "nasnet_keras.search": "search",
        "nasnet_keras.pretrained": "pretrained/shipped",
    },
    package_data={"": ["*.json", "*.weights.h5", "*.pyi", "py.typed"]},
    entry_points={"console_scripts": ["nasnet = nasnet_keras.cli.main:run"]},
    install_requires=[
        "tensorflow>=2.21",
        "keras>=3.15",
        "keras-tuner>=1.4.8",
        "tensorflow-datasets>=4.9.9",
        "absl-py>=2.1",
        "filelock>=3.16",
        "h5py>=3.11",
        "numpy>=1.26",
        "pillow>=10",
        # Imported by keras-tuner (the first two) and by tensorflow-datasets,
        # and declared by neither.
        "six>=1.16",
        "tensorboard>=2.19",
        "importlib_resources>=6.0",
    ],
    extras_require={
        "plot": PLOTS,
        "search": SEARCH,
        "train": SEARCH,
        "hub": HUB,
        "ray": RAY,
        "export": EXPORT,
        "coreml": [*EXPORT, "coremltools>=9.0"],
        "cuda": ["tensorflow[and-cuda]>=2.21"],
        **BACKENDS,
        "test": [
            *SEARCH,
            *HUB,
            *RAY,
            *EXPORT,
            *BACKENDS["jax"],
            *BACKENDS["torch"],
            "pytest>=8",
            "pytest-timeout>=2.3",
            "pytest-xdist>=3.6",
            "ruff>=0.8",
            "mypy>=1.13",
            "pre-commit>=4.0",
            "build>=1.2",
        ],
    },
)
