"""The house: imports run one way, and a wheel installs one name."""

import ast
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
ZOO = sorted((ROOT / "nasnet_keras").rglob("*.py"))
SEARCH = sorted((ROOT / "search").rglob("*.py"))
# From the bottom to the top: a module imports none that stands after it.
ORDER = [
    {"genotypes", "files", "kernels", "pooling"},
    {"operations", "drop_path", "cell_layout"},
    {"cells"},
    {"backbone"},
    {"models"},
]


def imports(path, top_level_only=False):
    """Returns the names of the modules that a file imports."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
            assert node.level == 0, f"relative import in {path}"
    return found


def packages(path, **options):
    return {name.split(".")[0] for name in imports(path, **options)}


def test_the_zoo_does_not_know_the_search():
    for path in ZOO:
        if path.name != "cli.py":
            names = imports(path)
            assert not any("nasnet_keras.search" in n for n in names), path


def test_the_zoo_imports_upwards_never():
    for level, modules in enumerate(ORDER):
        above = set().union(*ORDER[level + 1 :])
        for module in modules:
            found = imports(ROOT / "nasnet_keras" / f"{module}.py")
            used = {name.split(".")[1] for name in found if "nasnet_" in name}
            assert not used & above, module


def test_plain_data_needs_no_keras():
    for module in ("genotypes", "files", "cell_layout"):
        path = ROOT / "nasnet_keras" / f"{module}.py"
        assert not packages(path) & {"keras", "numpy", "matplotlib"}


def test_keras_tuner_is_known_to_the_search_alone():
    assert all("keras_tuner" not in packages(path) for path in ZOO)
    assert any("keras_tuner" in packages(path) for path in SEARCH)


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_no_backend_is_imported_at_the_top_of_a_module(backend):
    for path in ZOO + SEARCH:
        assert backend not in packages(path, top_level_only=True), path


def test_the_folder_search_is_no_package_of_its_own():
    result = subprocess.run(
        [sys.executable, "-c", "import search"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert "Import the search as `nasnet_keras.search`" in result.stderr


def test_a_wheel_installs_one_name(tmp_path):
    source = tmp_path / "source"  # A build leaves things where it runs.
    left_out = shutil.ignore_patterns(".*", "build", "runs", "*.egg-info")
    shutil.copytree(ROOT, source, ignore=left_out)
    command = f"-m pip wheel --quiet --no-deps --wheel-dir {tmp_path} {source}"
    subprocess.run([sys.executable, *command.split()], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "nasnet_keras"
    }
    assert "nasnet_keras/search/oracle.py" in names
    assert "nasnet_keras/training/data.py" in names
