"""What users install: the wheel, the sdist, and the pins that CI adds to them."""

import configparser
import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent


def tracked() -> list[str]:
    """Every file that a fresh clone has."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=True, text=True
    )
    return [name for name in listed.stdout.split("\0") if name and (PROJECT / name).exists()]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tracked files, in a place where a build may leave things."""
    there = tmp_path_factory.mktemp("source")
    for name in tracked():
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        if (PROJECT / name).is_symlink():
            (there / name).symlink_to((PROJECT / name).readlink())
        else:
            (there / name).write_bytes((PROJECT / name).read_bytes())
    return there


def built(source: Path, hook: str, place: Path) -> Path:
    """What setuptools makes by this hook of PEP 517, without a network."""
    code = f"import sys, setuptools.build_meta as b; print(b.build_{hook}(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(place)], cwd=source, capture_output=True, check=True, text=True
    )
    return place / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(source, "wheel", tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_every_module_and_data_file_of_the_package(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = {name for name in tracked() if name.startswith("xferzone/") and name != "xferzone/migrations"}
    migrations = {f"xferzone/{name}" for name in tracked() if re.fullmatch(r"migrations/.*\.py", name)}
    assert migrations
    assert (sources | migrations) - names == set()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"xferzone"}


def test_the_sdist_builds_the_same_wheel(source: Path, wheel: Path, tmp_path: Path) -> None:
    sdist = built(source, "sdist", tmp_path)
    subprocess.run(["tar", "-xzf", sdist, "-C", tmp_path], check=True)
    unpacked = tmp_path / sdist.name.removesuffix(".tar.gz")
    assert (unpacked / "tests" / "test_packaging.py").is_file()
    assert (unpacked / "deploy" / "gunicorn.conf.py").is_file()
    (tmp_path / "again").mkdir()
    again = built(unpacked, "wheel", tmp_path / "again")
    assert sorted(zipfile.ZipFile(again).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())


@pytest.mark.interop
def test_a_wheel_in_an_empty_venv_makes_a_repository_outside_of_the_checkout(
    wheel: Path, tmp_path: Path
) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--constraint", PROJECT / "constraints.txt", wheel], check=True)

    home = tmp_path / "elsewhere"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = tmp_path / "venv" / "bin" / "xferzone"
    made = subprocess.run(
        [command, "init", "--admin", "ops"],
        cwd=home,
        env={**kept, "HOME": str(home)},
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("admin: ops\npassword: ")
    assert (home / "zones.xferzone").is_file()
    listed = subprocess.run([command, "zone", "list"], cwd=home, env=kept, capture_output=True, text=True)
    assert (listed.returncode, listed.stderr) == (0, "")


def requirements() -> dict[str, str]:
    """Every dependency of setup.cfg, lower case with hyphens, and its floor."""
    setup = configparser.ConfigParser()
    setup.read(PROJECT / "setup.cfg")
    lines = (setup["options"]["install_requires"] + setup["options.extras_require"]["dev"]).split()
    floors = (re.fullmatch(r"([A-Za-z0-9_-]+)>=([0-9.]+)", line) for line in lines)
    return {found[1].lower(): found[2] for found in floors if found}


def pins() -> dict[str, str]:
    lines = (PROJECT / "constraints.txt").read_text().splitlines()
    found = dict(line.split("==") for line in lines if not line.startswith("#"))
    return {name.lower().replace("_", "-"): version for name, version in found.items()}


def test_ci_pins_every_dependency_at_its_floor_or_above() -> None:
    def numbers(version: str) -> list[int]:
        return [int(part) for part in version.split(".")]

    assert len(requirements()) >= 15
    for name, floor in requirements().items():
        assert numbers(pins()[name]) >= numbers(floor), name
