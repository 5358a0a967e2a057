"""The public face: what `import cotune` promises."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import cotune as ct
from cotune import errors

LIGHT = [
    "import cotune",
    "import cotune; cotune.Space, cotune.Study, cotune.Grid, cotune.Trial",
    "import cotune.cli.main",
]


@pytest.mark.parametrize("code", LIGHT)
def test_what_needs_no_torch_loads_none(code: str) -> None:
    check = f"{code}\nimport sys\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_import_loads_no_numpy_either() -> None:
    subprocess.run([sys.executable, "-c", "import sys, cotune; assert 'numpy' not in sys.modules"], check=True)


def test_all_names_are_sorted_and_reachable() -> None:
    assert ct.__all__ == sorted(ct.__all__)
    for name in ct.__all__:
        assert getattr(ct, name) is not None
    assert set(ct.__all__) <= set(dir(ct))


def test_type_checkers_see_the_same_names_as_users() -> None:
    source = inspect.getsource(ct)
    block = source[source.index("if TYPE_CHECKING:") : source.index("__version__ =")]
    lines = [line.split("import")[1] for line in block.splitlines() if " import " in line]
    imported = {name.strip() for line in lines for name in line.split(",")}
    assert imported == set(ct.__all__) - {"__version__"}


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Studdy'"):
        _ = ct.Studdy


@pytest.mark.parametrize("name", [name for name in ct.__all__ if name != "__version__"])
def test_everything_public_is_documented(name: str) -> None:
    thing = getattr(ct, name)
    assert inspect.getdoc(thing), name
    if inspect.isclass(thing):
        for member, value in vars(thing).items():
            if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property | classmethod)):
                assert inspect.getdoc(getattr(thing, member)), f"{name}.{member}"


@pytest.mark.parametrize("name", [name for name in ct.__all__ if inspect.isfunction(getattr(ct, name))])
def test_every_public_function_is_typed(name: str) -> None:
    function = getattr(ct, name)
    annotated = function.__annotations__
    parameters = inspect.signature(function).parameters
    assert set(parameters) <= set(annotated) and "return" in annotated


def test_the_error_tree_is_the_one_that_is_drawn() -> None:
    drawn = [line.strip("│├└─ ").split()[0] for line in (errors.__doc__ or "").splitlines() if "──" in line]
    classes = {name for name, value in vars(errors).items() if getattr(value, "__module__", "") == errors.__name__}
    assert classes == {*drawn, "CotuneError", "Paused", "Interrupted"}
    for name in drawn:
        assert issubclass(getattr(errors, name), errors.CotuneError)


def test_no_module_unpickles_or_evaluates() -> None:
    from pathlib import Path

    folder = Path(inspect.getsourcefile(ct) or "").parent
    forbidden = (
        "import pickle", "from pickle", "pickle.load", "Unpickler", "dill", "marshal", "shelve", "joblib", "yaml.load",
        "eval(", "exec(", "weights_only=False", "allow_pickle=True",
    )  # fmt: skip
    transport = folder / "executors" / "parcel.py"  # between living processes: nothing of it is stored
    for file in {*folder.rglob("*.py")} - {transport}:
        text = file.read_text(encoding="utf-8")
        for word in forbidden:
            assert word not in text.replace(".eval()", "").replace("model.eval(", ""), f"{word} in {file.name}"


def test_the_library_does_not_print() -> None:
    import ast
    from pathlib import Path

    folder = Path(inspect.getsourcefile(ct) or "").parent
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            called = getattr(node, "func", None) if isinstance(node, ast.Call) else None
            assert getattr(called, "id", "") != "print", file
