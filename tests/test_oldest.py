"""What the run with the oldest packages leaves out."""

import configparser
import re

from tests.oldest import OURS, PROJECT, installed, is_left_out

MODULES = {"dnspython": "dns", "prometheus-client": "prometheus_client"}


def test_each_installed_package_is_tried_by_the_tests_of_what_calls_it() -> None:
    setup = configparser.ConfigParser()
    setup.read(PROJECT / "setup.cfg")
    named = re.findall(r"^([a-z-]+)>=", setup["options"]["install_requires"], re.MULTILINE)
    wanted = {MODULES.get(name, name) for name in named} - {"zstandard"}
    tried: set[str] = set()
    for directory in (PROJECT / "xferzone").iterdir():
        tests = PROJECT / "tests" / directory.name
        if tests.is_dir() and not is_left_out(tests):
            tried |= installed(directory)
    assert wanted <= tried


def test_what_calls_none_is_left_out() -> None:
    names = ("cards", "simulation", "zonefile", "store")
    assert [is_left_out(PROJECT / "tests" / name) for name in names] == [True, True, False, False]


def test_of_a_directory_that_is_run_histories_of_chance_are_left_out() -> None:
    for name in OURS:
        assert (PROJECT / "tests" / name).is_file()
        assert is_left_out(PROJECT / "tests" / name)
    kept = ("exchange/group", "exchange/group/test_joint.py", "store/test_store.py", "test_oldest.py", ".")
    assert [name for name in kept if is_left_out(PROJECT / "tests" / name)] == []
