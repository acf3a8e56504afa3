"""The folders and the imports between them: one way, and light."""

import ast
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]

# The rooms, from the bottom up: each imports only from rooms before it.
ROOMS = {
    "nasnet_keras": (
        *("genotypes", "checks", "runs", "layers", "cells", "weights"),
        *("networks", "presets", "zoo", "features", "images", "schedules"),
        *(
            "momentum",
            "averages",
            "model_files",
            "visualize",
            "summary",
            "training",
        ),
        *("inference", "deploy", "cli"),
    ),
    "nasnet_keras.search": (
        *("names", "spaces", "policy", "oracles", "evaluators", "engines"),
        *(
            "results",
            "finals",
            "scalars",
            "run",
            "retraining",
            "comparison",
            "assembly",
        ),
        *("planning", "commands"),
    ),
}
# Shared by command modules; they are no commands themselves.
COMMAND_ROOMS = ("nasnet_keras.cli", "nasnet_keras.search.commands")


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


def module_name(path):
    """The dotted name by which a file is imported."""
    parts = list(pathlib.Path(path).with_suffix("").parts)
    if parts[0] == "search":
        parts.insert(0, "nasnet_keras")
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(path):
    return module_name(pathlib.Path(path).parent / "__init__.py")


ZOO = modules_of("nasnet_keras")
SEARCH = modules_of("search")
MODULES = {module_name(path): path for path in {**ZOO, **SEARCH}}


def imports_of(name):
    """The modules of this package that a module imports, lazily too."""
    path = MODULES[name]
    names = imported({**ZOO, **SEARCH}[path], package=package_of(path))
    return {n for n in names if n in MODULES and n != name}


def room_of(name, package):
    """The place of a module among the rooms of a package, or `None`."""
    if not name.startswith(f"{package}."):
        return None
    room = name.removeprefix(f"{package}.").split(".")[0]
    return ROOMS[package].index(room) if room in ROOMS[package] else None


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
    names = set()
    for path, source in ZOO.items():
        if path.startswith("nasnet_keras/genotypes/"):
            names |= imported(source, package=package_of(path))
    assert names
    names = {n for n in names if not reaches({n}, "nasnet_keras.genotypes")}
    tops = {name.split(".")[0] for name in names}
    assert tops <= set(sys.stdlib_module_names)


def test_the_zoo_knows_nothing_of_the_search():
    assert len(ZOO) > 8
    for path, source in ZOO.items():
        if path != "nasnet_keras/cli/main.py":
            names = imported(source, package=package_of(path))
            assert not reaches(names, "nasnet_keras.search"), path
            assert not reaches(names, "search"), path


@pytest.mark.parametrize("package", ROOMS)
def test_every_module_has_a_room(package):
    """The top level holds only the rooms."""
    folder = ROOT / package.replace("nasnet_keras.search", "search")
    found = {
        path.stem
        for path in folder.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert found - {"__init__"} == set(ROOMS[package])


@pytest.mark.parametrize("package", ROOMS)
def test_imports_of_the_zoo_run_one_way(package):
    """Room by room, what functions import when they run included."""
    upward = [
        (name, other)
        for name in MODULES
        for other in imports_of(name)
        if None not in (room_of(name, package), room_of(other, package))
        and room_of(other, package) > room_of(name, package)
    ]
    assert upward == []


def test_no_circle():
    """No module imports itself through others."""
    graph = {name: imports_of(name) for name in MODULES}
    # A package's `__init__` collects names of its own files.
    for name in graph:
        graph[name] = {n for n in graph[name] if not name.startswith(f"{n}.")}
    while graph:
        free = [name for name, names in graph.items() if not names & set(graph)]
        assert free, f"circles among {sorted(graph)}"
        for name in free:
            del graph[name]


def command_modules():
    """Those with `add_arguments` and `run`: one for each subcommand."""
    return {
        name
        for name, path in MODULES.items()
        if name.startswith(tuple(f"{room}." for room in COMMAND_ROOMS))
        and "\ndef add_arguments(" in {**ZOO, **SEARCH}[path]
    }


def test_commands_are_imported_by_the_command_line_alone():
    assert len(command_modules()) == 11
    for name in MODULES:
        if name != "nasnet_keras.cli.main":
            assert not imports_of(name) & command_modules(), name


def test_only_the_command_line_knows_argparse():
    for name, path in MODULES.items():
        if not name.startswith(COMMAND_ROOMS):
            names = imported({**ZOO, **SEARCH}[path])
            assert not reaches(names, "argparse"), name


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
    patterns = (".*", "__pycache__", "*.egg-info", "build", "dist", "tests")
    leave = shutil.ignore_patterns(*patterns)
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
    """search/ is within nasnet_keras; nothing twice, nothing else."""
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


def test_nothing_that_is_found_is_unpickled():
    """A pickle runs code: only workers get some, from the search itself."""
    engines = {f"search/engines/{n}.py" for n in ("pool", "process", "on_ray")}
    using = {
        path
        for folder in ("nasnet_keras", "search")
        for path, source in modules_of(folder).items()
        if reaches(imported(source), "pickle")
    }
    assert using == engines
    for folder in ("nasnet_keras", "search"):
        for path, source in modules_of(folder).items():
            assert "allow_pickle=True" not in source, path
