"""The folders and the imports between them: one way, and light."""

import ast
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]

# Each module of the zoo imports only from levels below its own; modules that
# are not listed stand above all of these.
LEVELS = [
    {"genotypes", "kernels", "image_axes", "macro", "files", "whitening"},
    {"pooling", "published"},
    {"conventions", "drop_path", "weights"},
    {"operations", "alignment", "presets"},
    {"cell_plan"},
    {"cells"},
    {"backbone"},
    {"models"},
    {"zoo"},
    {"features"},
]


def imported(source, top_level_only=False, package=""):
    """Dotted names of the modules that Python source imports.

    Args:
        source: String.
        top_level_only: Whether to leave out what functions import when they
            run.
        package: String, what relative imports start from.
    """
    found = set()
    nodes = [ast.parse(source)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            parts = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*parts, node.module or ""]).strip(".")
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if not (function and top_level_only):
            nodes.extend(ast.iter_child_nodes(node))
    return found


def reaches(names, module):
    """Whether one of `names` is `module` or within it."""
    return any(f"{name}.".startswith(f"{module}.") for name in names)


def modules_of(folder, root=ROOT):
    """The Python files of a folder and their texts, by relative path."""
    return {
        str(path.relative_to(root)): path.read_text()
        for path in sorted((root / folder).rglob("*.py"))
    }


def package_of(path):
    return ".".join(pathlib.Path(path).parent.parts)


ZOO = modules_of("nasnet_keras")
SEARCH = modules_of("search")


@pytest.mark.parametrize(
    "source, everywhere, top_level",
    [
        ("import a.b as c", {"a.b"}, {"a.b"}),
        ("from a import b", {"a", "a.b"}, {"a", "a.b"}),
        ("def f():\n    import a", {"a"}, set()),
        ("class C:\n    def f(self):\n        import a", {"a"}, set()),
        ("class C:\n    import a", {"a"}, {"a"}),
        ("try:\n    import a\nexcept ImportError:\n    a = None", {"a"}, {"a"}),
        ("if True:\n    from a import b", {"a", "a.b"}, {"a", "a.b"}),
        ("from . import b", {"p.q", "p.q.b"}, {"p.q", "p.q.b"}),
        ("from ..b import c", {"p.b", "p.b.c"}, {"p.b", "p.b.c"}),
    ],
)
def test_imports_are_found(source, everywhere, top_level):
    """The tests below see what they look for."""
    assert imported(source, package="p.q") == everywhere
    found = imported(source, top_level_only=True, package="p.q")
    assert found == top_level


def test_reaches():
    assert reaches({"a.b"}, "a") and reaches({"a"}, "a")
    assert not reaches({"ab"}, "a") and not reaches({"a"}, "a.b")


def test_genotypes_import_the_standard_library_alone():
    names = imported(ZOO["nasnet_keras/genotypes.py"])
    assert names
    tops = {name.split(".")[0] for name in names}
    assert tops <= set(sys.stdlib_module_names)


def test_the_zoo_knows_nothing_of_the_search():
    assert len(ZOO) > 8
    for path, source in ZOO.items():
        if path != "nasnet_keras/cli.py":
            names = imported(source, package=package_of(path))
            assert not reaches(names, "nasnet_keras.search"), path
            assert not reaches(names, "search"), path


def test_imports_of_the_zoo_run_one_way():
    """genotypes <- operations <- cells <- backbone, weights <- models."""
    below = set()
    for level in LEVELS:
        for module in level:
            sources = sources_of(module)
            assert sources, module
            names = set().union(
                *(imported(s, package="nasnet_keras") for s in sources)
            )
            own = {name for name in names if reaches({name}, "nasnet_keras")}
            own = {name.split(".")[1] for name in own if "." in name}
            assert own - {module} <= below, module
        below |= level


def sources_of(module):
    """Of a module, or of all in a package."""
    return [
        source
        for path, source in ZOO.items()
        if path == f"nasnet_keras/{module}.py"
        or path.startswith(f"nasnet_keras/{module}/")
    ]


def test_keras_tuner_is_imported_by_the_search_alone():
    for path, source in ZOO.items():
        assert not reaches(imported(source), "keras_tuner"), path


def test_tensorflow_waits_for_the_functions_that_need_it():
    for path, source in {**ZOO, **SEARCH}.items():
        names = imported(source, top_level_only=True)
        assert not reaches(names, "tensorflow"), path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Files of the wheel, and the sources that it was built from.

    Those are a copy, because building writes into their folder.
    """
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"
    leave = shutil.ignore_patterns(
        ".*", "__pycache__", "*.egg-info", "build", "dist", "runs"
    )
    shutil.copytree(ROOT, copy, ignore=leave)
    subprocess.run(
        [
            sys.executable,
            *("-m", "pip", "wheel", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--disable-pip-version-check"),
            *("--wheel-dir", str(folder), str(copy)),
        ],
        check=True,
    )
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}, copy


def test_the_wheel_installs_one_name(wheel):
    wheel, _ = wheel
    tops = {name.split("/")[0] for name in wheel}
    (metadata,) = (top for top in tops if top.endswith(".dist-info"))
    assert tops - {metadata} == {"nasnet_keras"}
    assert wheel[f"{metadata}/top_level.txt"].split() == [b"nasnet_keras"]


def test_the_wheel_holds_every_module(wheel):
    """Those of search/ within nasnet_keras; nothing twice, nothing else."""
    wheel, root = wheel
    expected = modules_of("nasnet_keras", root)
    for path, source in modules_of("search", root).items():
        expected[f"nasnet_keras/{path}"] = source
    shipped = "pretrained/shipped/__init__.py"
    expected["nasnet_keras/pretrained/__init__.py"] = (
        root / shipped
    ).read_text()
    actual = {
        name: text.decode()
        for name, text in wheel.items()
        if name.endswith(".py")
    }
    assert "nasnet_keras/search/__init__.py" in actual
    assert actual == expected


def test_the_wheel_holds_the_weights_that_we_ship(wheel):
    wheel, root = wheel
    files = [
        path
        for path in (root / "pretrained" / "shipped").iterdir()
        if path.suffix in (".h5", ".json")
    ]
    for path in files:
        assert wheel[f"nasnet_keras/pretrained/{path.name}"] == (
            path.read_bytes()
        )
