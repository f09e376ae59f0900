"""What is said of a server of many repositories before it runs."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run

#: Words behind `serve`, and what is said of them.
REFUSED = {
    "no directory": (
        ("--repository-root", "none"),
        "cannot read the directory of repositories none: No such file or directory",
    ),
    "nats": (
        ("--repository-root", "none", "--nats", "nats://127.0.0.1/x"),
        "--nats: [nats] url: a repository that has this needs a server of its own: it is not served from a "
        "repository_root",
    ),
    "status alone": (
        ("--status-listen", "127.0.0.1:1"),
        "--status-listen: [hosting] listen: it is of a server of many: give repository_root, too",
    ),
}


@pytest.mark.parametrize("verb", ["up", "serve", "dns"])
def test_one_repository_and_a_directory_of_them_are_not_both_served(
    xz: Run, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    for words in (("-R", "a.xferzone", verb), (verb, "-R", "a.xferzone")):
        ran = xz(*words, "--repository-root", "none")
        assert ran.code == 2
        assert (
            "--repository-root: [hosting] repository_root: -R a.xferzone names one repository, and this"
            in ran.err
        )
    monkeypatch.setenv("XFERZONE_REPOSITORY", "a.xferzone")  # for other verbs
    assert "cannot read the directory of repositories none" in xz(verb, "--repository-root", "none").err


def test_nor_where_the_configuration_has_the_directory(xz: Run, tmp_path: Path) -> None:
    text = "[hosting]\nrepository_root = 'srv'\n"
    (tmp_path / "x.toml").write_text(text)
    ran = xz("serve", "-R", "a.xferzone", "-c", "x.toml")
    assert ran.code == 2
    assert "x.toml:2: [hosting] repository_root: -R a.xferzone names one repository" in ran.err
    (tmp_path / "a.xferzone.toml").write_text(text)  # it is what -R named
    assert "cannot read the directory of repositories srv" in xz("serve", "-R", "a.xferzone").err


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_by_name(xz: Run, case: str) -> None:
    words, told = REFUSED[case]
    ran = xz("serve", *words)
    assert ran.code != 0
    assert told in ran.err


def test_the_directory_may_stand_in_the_file_relative_to_it(xz: Run, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "a.toml").write_text("[hosting]\nrepository_root = 'srv'\nopen = 8\n")
    shown = xz("config", "show", "-c", "etc/a.toml").out
    assert (
        f'repository_root = "{tmp_path / "etc" / "srv"}"' in shown or 'repository_root = "etc/srv"' in shown
    )
    ran = xz("serve", "-c", "etc/a.toml")
    assert "cannot read the directory of repositories etc/srv" in ran.err
    assert "names no directory" in xz("serve", "--repository-root", "").err
