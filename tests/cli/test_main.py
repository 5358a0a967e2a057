from __future__ import annotations

import os
import resource
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import cotune
from cotune.cli.main import COMMANDS

READING = ("status", "show", "explain", "top", "best", "trials")


def run(code: str, *words: object, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **env}, check=False)


def loaded(*words: object) -> set[str]:
    """Names of the packages that a command line loads."""
    code = (
        "import sys\n"
        "from cotune.cli.main import main\n"
        "try: main()\n"
        "finally: print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    return set(run(code, *words).stderr.split())


def test_help_lists_every_command_in_one_line(cli):
    result = cli("--help")
    assert result.exit_code == 0
    for name, line in COMMANDS.items():
        assert f"  {name}" in result.output
        assert line in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_in_the_table_is_the_first_of_the_commands_own_help(name):
    command = getattr(import_module(f"cotune.cli.{name}"), name)
    assert command.help.splitlines()[0] == COMMANDS[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_json(name):
    command = getattr(import_module(f"cotune.cli.{name}"), name)
    assert "--json" in {option for parameter in command.params for option in parameter.opts}


def test_help_loads_neither_torch_nor_numpy_nor_rich():
    assert not loaded("--help") & {"torch", "numpy", "rich"}


def test_help_costs_less_than_a_third_of_a_second():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run("from cotune.cli.main import main; main()", "--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_loads_no_torch(name):
    assert "torch" not in loaded(name, "--help")


@pytest.mark.parametrize("name", READING)
def test_reading_a_study_loads_no_torch(name, told):
    modules = loaded(name, told)
    assert "cotune" in modules
    assert "torch" not in modules


def test_version_is_that_of_the_package(cli):
    assert cli("--version").output == f"cotune {cotune.__version__}\n"


def test_a_mistyped_command_is_a_mistake_with_a_hint(cli):
    result = cli("stats")
    assert result.exit_code == 2
    assert "Did you mean 'status'?" in result.stderr


def test_completion_knows_commands_and_options():
    code = "from cotune.cli.main import main; main()"
    env = {"_COTUNE_COMPLETE": "bash_complete"}
    assert run(code, COMP_WORDS="cotune s", COMP_CWORD="1", **env).stdout.split() == ["plain,status", "plain,show"]
    assert run(code, COMP_WORDS="cotune run --tr", COMP_CWORD="2", **env).stdout.split() == ["plain,--trials"]


@pytest.mark.parametrize("name", READING)
@pytest.mark.parametrize("option", ["--jsn", "--exprot", "-x"])
def test_a_mistyped_option_is_a_mistake(cli, told, name, option):
    result = cli(name, told, option)
    assert result.exit_code == 2
    assert "No such option" in result.stderr


@pytest.mark.parametrize("name", READING)
def test_no_study_at_the_path_is_a_mistake_and_makes_no_folder(cli, tmp_path, name):
    result = cli(name, tmp_path / "nothing")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: there is no study at")
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("name", READING)
def test_a_file_instead_of_a_folder_is_a_mistake(cli, tmp_path, name):
    (tmp_path / "file").write_text("")
    result = cli(name, tmp_path / "file")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")


@pytest.mark.parametrize("name", READING)
def test_a_damaged_study_is_a_mistake_without_a_traceback(cli, damaged, name):
    result = cli(name, damaged)
    assert result.exit_code == 2
    assert "not a database" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("name", READING)
def test_no_control_character_of_a_study_reaches_the_terminal(cli, tmp_path, name):
    path, evil = tmp_path / "evil", "\x1b[31m\x9bx"
    with cotune.Study(None, {"choice": [f"{evil}1", f"{evil}2"]}, minimize=evil, path=path) as study:
        study.tell(study.ask(), **{evil: 1.0})
        study.tell(study.ask(), failed=evil)
    for words in (
        [name, path],
        [name, path, "--json"],
        *([["show", path, 1], ["explain", path, 1], ["trials", path, "--csv"]]),
    ):
        output = cli(*words).output
        assert "31m" in output
        assert all(c.isprintable() or c == "\n" for c in output)


def test_a_path_with_control_characters_is_told_without_them(cli, tmp_path):
    result = cli("status", tmp_path / "\x1b[31mred")
    assert result.exit_code == 2
    assert "\x1b" not in result.output


def test_a_terminal_without_block_characters_gets_question_marks(told):
    code = "from cotune.cli.main import main; main()"
    result = run(code, "show", told, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert result.returncode == 0, result.stderr


def test_colours_are_written_only_to_a_terminal_and_not_with_no_color(told: Path):
    code = "from cotune.cli.main import main; main()"
    assert "\x1b" not in run(code, "status", told).stdout
    assert "\x1b[1m" in run(code, "status", told, FORCE_COLOR="1", TERM="xterm").stdout
    assert "\x1b[3" not in run(code, "status", told, FORCE_COLOR="1", NO_COLOR="1", TERM="xterm").stdout
