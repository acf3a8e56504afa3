"""The two ways to install ask for the same versions."""

import importlib.metadata
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]
# What only TensorFlow users need: itself, its datasets, what those need.
WITH_TENSORFLOW = {
    "tensorflow",
    "tensorflow-datasets",
    "importlib-resources",
}


def normalized(line):
    name, bound = re.match(r"([\w-]+)(?:\[.*?\])?(\S*)", line).groups()
    return name.replace("_", "-").lower(), bound


def declared(extra):
    """Requirements in setup.py: the plain ones and those of an extra."""
    for line in importlib.metadata.requires("nasnet-keras"):
        requirement, _, marker = line.partition(";")
        if not marker or f'"{extra}"' in marker.replace("'", '"'):
            yield normalized(requirement.strip())


def listed(name):
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    return [normalized(x) for x in lines if x and x[0] not in "#-"]


def test_the_way_without_tensorflow_lists_the_rest():
    expected = [
        requirement
        for requirement in declared("search")
        if requirement[0] not in WITH_TENSORFLOW
    ]
    assert sorted(listed("common.txt")) == sorted(expected)
    for backend in ("jax", "torch"):
        (wanted,) = listed(f"{backend}.txt")
        assert wanted in set(declared(backend)) and wanted[0] == backend


def test_every_requirement_has_a_lower_bound():
    for extra in (
        "search",
        "plot",
        "hub",
        "export",
        "ray",
        "cuda",
        "jax",
        "torch",
        "test",
    ):
        for name, bound in declared(extra):
            assert bound.startswith(">="), (extra, name)
