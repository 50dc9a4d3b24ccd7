"""The rooms of the design and who may import whom, held by reading the code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
FILES = sorted((REPO / "app").rglob("*.py"))

LEAVES = ("app.config", "app.errors", "app.files", "app.hosting", "app.logs", "app.metrics")
# What each room may import of ours. `app` itself is the light package root (its version).
ALLOWED = {
    "app/imaging": ("app.imaging", "app.errors"),
    "app/services": ("app.services", "app.imaging", *LEAVES),
    "app/routes": ("app.routes", "app.services", "app.imaging", *LEAVES),
    "app/config.py": ("app.hosting",),
    "app/errors.py": (),
    "app/files.py": (),
    "app/hosting.py": (),
    "app/logs.py": (),
    "app/metrics.py": (),
    "app/cli.py": ("app.services", *LEAVES),
    "app/worker.py": (),
    "app/factory.py": ("app.cli", "app.routes", "app.services", *LEAVES),
    "app/__init__.py": ("app.factory",),
}


def imports_of(path: Path) -> list[str]:
    """Full names of what a file imports, by statement or by `import_module("name")`."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names += [f"app.{alias.name}" for alias in node.names if module == "app" and alias.name != "__version__"]
            names += [module] if module != "app" else []
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func):
            names += [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
    return names


def files_that_import(package: str) -> set[str]:
    """Files of the app in which `package` or a part of it is imported."""
    return {
        str(path.relative_to(REPO))
        for path in FILES
        if any(name == package or name.startswith(f"{package}.") for name in imports_of(path))
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(REPO)))
def test_imports_point_downwards(path: Path) -> None:
    name = str(path.relative_to(REPO))
    allowed = next(rooms for room, rooms in ALLOWED.items() if name == room or name.startswith(f"{room}/"))
    ours = [found for found in imports_of(path) if found == "app" or found.startswith("app.")]
    upwards = [found for found in ours if not found.startswith(allowed)]
    assert not upwards, f"{name} may import only {allowed}"


def test_only_the_routes_the_factory_and_the_command_line_know_flask() -> None:
    outside = {
        name
        for name in files_that_import("flask") | files_that_import("werkzeug")
        if not name.startswith("app/routes/")
    }
    assert outside <= {"app/factory.py", "app/cli.py", "app/__init__.py"}  # the last for a type only


def test_only_the_model_manager_imports_onnxruntime_and_rembg() -> None:
    assert files_that_import("onnxruntime") == {"app/services/model_manager.py"}
    assert files_that_import("rembg") == {"app/services/model_manager.py"}


def test_nothing_of_the_app_imports_what_is_only_for_building() -> None:
    for package in ("onnx", "scripts", "scipy", "skimage", "numba", "pymatting"):
        assert not files_that_import(package)


def test_only_config_and_hosting_read_the_environment() -> None:
    readers = {
        str(path.relative_to(REPO))
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv", "os.putenv")
    }
    assert readers == {"app/config.py", "app/hosting.py"}


def test_only_the_edge_catches_every_exception() -> None:
    catchers = {
        str(path.relative_to(REPO))
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler) and (node.type is None or ast.unparse(node.type) == "Exception")
    }
    assert catchers == set()


def test_hosting_needs_nothing_but_the_standard_library() -> None:
    import sys

    packages = {name.split(".")[0] for name in imports_of(REPO / "app/hosting.py")}
    assert packages <= set(sys.stdlib_module_names)


def test_the_clock_that_may_jump_is_read_for_headers_only() -> None:
    readers = {
        str(path.relative_to(REPO))
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("time.time", "datetime.now", "datetime.utcnow")
    }
    # X-RateLimit-Reset is a time of the day.
    assert readers == {"app/routes/removebg.py", "app/routes/rate_limit.py"}
