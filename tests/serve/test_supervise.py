"""The supervisor with stand-in programs; each test drives a supervising process from outside, by signals."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.live import PATIENCE_S, within

# Every stand-in writes a file named by its pid into `home`, reports, and waits to be ended.
PLAIN = "note(); ready.report(); signal.pause()"
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN); note(); ready.report(); signal.pause()"
SILENT = "note(); signal.pause()"
BROKEN = "note(); sys.exit(3)"
# Comes up the first time, then dies at once for ever, before it is up or after.
SICKLY = "first = not home.exists(); note(); first and (ready.report(), time.sleep(0.5)); sys.exit(3)"
SICKLY_UP = "first = not home.exists(); note(); ready.report(); first and time.sleep(0.5); sys.exit(3)"
SICKLY_LATER = """
lives = len(list(home.iterdir())) if home.exists() else 0
note()
lives < 5 and ready.report()
lives or time.sleep(0.5)
sys.exit(3)
"""
# Says that it lives, until it gets USR1.
BEATING = """
note()
hangs = []
signal.signal(signal.SIGUSR1, lambda *_: hangs.append(True))
pulse = ready.Pulse()
while True:
    hangs or pulse.beat()
    time.sleep(0.05)
"""
# A server with a worker of its own, as gunicorn's arbiter; the worker ends with it.
PARENT = """
parent = os.getpid()
note()
if os.fork() == 0:
    process.die_with(parent)
    note(); ready.report()
signal.pause()
"""
CHATTY = "note(); print('to stdout', repr(sys.stdin.read()), flush=True); ready.report(); signal.pause()"

STOP_S = 2.0  # seconds; less than what users get
HUNG_S = 1.0  # the same; many times what a process of ours waits for its turn on a busy machine
LONG_S = 60.0  # for what must not be waited for

# argv: seconds between TERM and KILL; a name, its code and its home for each program.
DRIVER = f"""
import json, os, pathlib, signal, sys, time
from xferzone import ready
from xferzone.serve import children, process, supervise
from xferzone.errors import CannotServe, NotFound

def program(what, code, home):
    home = pathlib.Path(home)
    def note():
        home.mkdir(exist_ok=True)
        (home / str(os.getpid())).touch()
    return children.Program(what, lambda: exec(code, {{**globals(), "home": home, "note": note}}))

def again():
    print("again", flush=True)
    new = pathlib.Path(sys.argv[4]).parent / "new.json"
    return [program(*each) for each in json.loads(new.read_text())] if new.exists() else None

supervise.STOP_S = float(sys.argv[1])
supervise.HUNG_S = {HUNG_S}
ready.BEAT_S = {HUNG_S / 5}
words = iter(sys.argv[2:])
programs = [program(what, code, home) for what, code, home in zip(words, words, words)]
try:
    supervise.supervise(programs, lambda: print("all up", flush=True), again)
except CannotServe as error:
    sys.exit("error: " + str(error))
print("stopped")
"""


class Supervised:
    """A running supervisor and what its programs, each `(name, code)`, left in `place`."""

    def __init__(self, place: Path, programs: list[tuple[str, str]], stop: float) -> None:
        self.place = place
        argv = [str(stop), *(word for name, code in programs for word in (name, code, str(place / name)))]
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def wait_up(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "all up\n"

    def pids(self, name: str) -> set[int]:
        """Every process of this program that ever was."""
        with contextlib.suppress(FileNotFoundError):
            return {int(entry.name) for entry in (self.place / name).iterdir()}
        return set()

    def has_had(self, number: int, name: str) -> bool:
        return len(self.pids(name)) >= number

    def ended(self) -> tuple[int, str, str]:
        stdout, stderr = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, stdout, stderr

    def living(self, name: str) -> set[int]:
        return set(filter(alive, self.pids(name)))

    def reload(self, **programs: str) -> None:
        """HUP, for these programs."""
        made = [(name, code, str(self.place / name)) for name, code in programs.items()]
        (self.place / "new.json").write_text(json.dumps(made))
        self.process.send_signal(signal.SIGHUP)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "again\n"

    def nobody_is_left(self) -> bool:
        everybody = {pid for home in self.place.iterdir() if home.is_dir() for pid in self.pids(home.name)}
        return bool(everybody) and not any(map(alive, everybody))


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Callable[..., Supervised]]:
    started: list[Supervised] = []

    def start(stop: float = STOP_S, **programs: str) -> Supervised:
        started.append(Supervised(tmp_path, list(programs.items()), stop))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_all_and_is_no_failure(supervised: Callable[..., Supervised], number: int) -> None:
    both = supervised(web=PLAIN, dns=PLAIN)
    both.wait_up()
    both.process.send_signal(number)
    assert both.ended() == (0, "stopped\n", "")
    assert both.nobody_is_left()


def test_it_is_up_only_when_every_program_has_reported(supervised: Callable[..., Supervised]) -> None:
    both = supervised(web=PLAIN, dns=SILENT)
    assert within(PATIENCE_S, lambda: bool(both.pids("web") and both.pids("dns")))
    time.sleep(0.2)
    both.process.terminate()
    assert both.ended() == (0, "stopped\n", "")


def test_a_killed_child_is_back_at_once_and_the_others_stay(
    supervised: Callable[..., Supervised],
) -> None:
    both = supervised(web=PLAIN, dns=PLAIN)
    both.wait_up()
    (first,) = both.pids("web")
    others = both.pids("dns")
    os.kill(first, signal.SIGKILL)
    assert within(PATIENCE_S, partial(both.has_had, 2, "web"))
    assert both.pids("dns") == others
    assert not Path(f"/proc/{first}").exists(), "a zombie was left"
    both.process.terminate()
    code, _, stderr = both.ended()
    assert code == 0
    assert f"web pid={first} ended with signal 9, starts again in 0.0 s" in stderr


def test_a_child_that_dies_again_and_again_is_tried_ever_more_rarely(
    supervised: Callable[..., Supervised],
) -> None:
    began = time.monotonic()
    both = supervised(web=PLAIN, dns=SICKLY)
    both.wait_up()
    assert within(PATIENCE_S, partial(both.has_had, 6, "dns"))
    assert time.monotonic() - began >= 0.5 + 0 + 0.1 + 0.2 + 0.4 + 0.8
    assert len(both.pids("web")) == 1
    both.process.terminate()
    code, _, stderr = both.ended()
    assert code == 0
    pauses = [line.split()[-2] for line in stderr.splitlines() if "ended with exit code 3" in line]
    assert pauses[:5] == ["0.0", "0.1", "0.2", "0.4", "0.8"]
    assert both.nobody_is_left()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (SICKLY_UP, ["0.0", "0.1", "0.2", "0.2", "0.2", "0.2", "0.2"]),
        (SICKLY_LATER, ["0.0", "0.1", "0.2", "0.2", "0.2", "0.4", "0.8"]),
    ],
)
def test_what_comes_up_again_and_dies_again_is_never_missing_for_long(
    supervised: Callable[..., Supervised], code: str, expected: list[str]
) -> None:
    one = supervised(dns=code)
    one.wait_up()
    assert within(PATIENCE_S, partial(one.has_had, 8, "dns"))
    one.process.terminate()
    ended, _, stderr = one.ended()
    assert ended == 0
    pauses = [line.split()[-2] for line in stderr.splitlines() if "ended with exit code 3" in line]
    assert pauses[:7] == expected


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGUSR1], ids=["stopped", "in a loop"])
def test_what_hangs_is_killed_and_comes_back(
    supervised: Callable[..., Supervised], number: signal.Signals
) -> None:
    both = supervised(dns=BEATING, other=BEATING, web=PLAIN)
    both.wait_up()
    (first,) = both.pids("dns")
    others = both.pids("web") | both.pids("other")
    os.kill(first, number)
    assert within(PATIENCE_S, partial(both.has_had, 2, "dns"))
    assert not Path(f"/proc/{first}").exists()
    time.sleep(2 * HUNG_S)
    assert both.pids("web") | both.pids("other") == others, "one that lives was killed"
    assert len(both.pids("dns")) == 2
    both.process.terminate()
    code, _, stderr = both.ended()
    assert code == 0
    assert f"dns pid={first} has said nothing for {HUNG_S:.0f} s: killed" in stderr
    assert both.nobody_is_left()


def test_nobody_is_taken_to_hang_for_what_a_stopped_supervisor_did_not_hear(
    supervised: Callable[..., Supervised],
) -> None:
    one = supervised(dns=BEATING)
    one.wait_up()
    (child,) = one.pids("dns")
    both = (child, one.process.pid)
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in both if number == signal.SIGSTOP else reversed(both):
            os.kill(pid, number)
        time.sleep(2 * HUNG_S)
    assert one.pids("dns") == {child}
    one.process.terminate()
    assert one.ended() == (0, "stopped\n", "")


def test_restarts_leave_no_descriptors_behind(supervised: Callable[..., Supervised]) -> None:
    both = supervised(web=PLAIN, dns=BEATING)
    both.wait_up()
    held = Path(f"/proc/{both.process.pid}/fd")

    def most() -> int:
        """Now and then it has one more, for as long as it waits."""
        counts = []
        for _ in range(20):
            counts.append(len(list(held.iterdir())))
            time.sleep(0.01)
        return max(counts)

    before = most()
    for number in range(2, 5):
        for name in ("web", "dns"):
            os.kill(next(pid for pid in both.pids(name) if alive(pid)), signal.SIGKILL)
            assert within(PATIENCE_S, partial(both.has_had, number, name))
    assert within(PATIENCE_S, lambda: most() <= before)
    both.process.terminate()
    assert both.ended()[0] == 0


def test_a_program_that_never_came_up_stops_all(supervised: Callable[..., Supervised]) -> None:
    both = supervised(web=PLAIN, dns=BROKEN)
    code, _, stderr = both.ended()
    assert code == 1
    assert "error: the dns did not come up: it ended with exit code 3, see above" in stderr
    assert both.nobody_is_left()


@pytest.mark.parametrize(
    ("code", "said", "status"),
    [
        ("raise NotFound('no zone here')", "dns: no zone here\n", 5),
        ("1 / 0", "ZeroDivisionError: division by zero\n", 1),
        ("sys.exit()", "", 0),
        ("sys.exit('a reason')", "dns: a reason\n", 1),
        ("os.kill(os.getpid(), 9)", "", "signal 9"),
        ("os.kill(os.getpid(), 40)", "", "signal 40"),
    ],
)
def test_how_a_program_ended_is_told(
    supervised: Callable[..., Supervised], code: str, said: str, status: int | str
) -> None:
    ended, stdout, stderr = supervised(dns=code).ended()
    assert (ended, stdout) == (1, "")
    end = status if isinstance(status, str) else f"exit code {status}"
    assert stderr.endswith(f"{said}error: the dns did not come up: it ended with {end}, see above\n")


def test_nothing_of_a_child_survives_when_nobody_reads_its_errors(tmp_path: Path) -> None:
    # The child's traceback cannot be written; it must end all the same, and not go on as a second supervisor.
    words = [
        str(STOP_S),
        "web",
        PLAIN,
        str(tmp_path / "web"),
        "dns",
        "while not any((home.parent / 'web').glob('*')): time.sleep(0.01)\ntime.sleep(0.5); note(); 1 / 0",
        str(tmp_path / "dns"),
    ]
    process = subprocess.Popen([sys.executable, "-c", DRIVER, *words], stderr=subprocess.PIPE)
    assert process.stderr is not None
    process.stderr.close()
    process.wait(PATIENCE_S)
    pids = [int(entry.name) for home in ("web", "dns") for entry in (tmp_path / home).iterdir()]
    assert len(pids) == 2
    assert not any(map(alive, pids))


def test_programs_are_told_apart_in_ps(supervised: Callable[..., Supervised]) -> None:
    one = supervised(web=PLAIN)
    one.wait_up()
    (pid,) = one.pids("web")
    assert Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0") == b"xferzone: web"
    assert Path(f"/proc/{pid}/comm").read_text() == "web\n"
    one.process.terminate()
    assert one.ended()[0] == 0


def test_a_killed_supervisor_leaves_nobody(supervised: Callable[..., Supervised]) -> None:
    three = supervised(web=PARENT, dns=PLAIN, other=STUBBORN)
    three.wait_up()
    assert len(three.pids("web")) == 2
    three.process.kill()
    three.process.communicate()
    assert within(PATIENCE_S, three.nobody_is_left)


def test_a_killed_server_takes_its_workers_along_and_comes_back(
    supervised: Callable[..., Supervised],
) -> None:
    one = supervised(web=PARENT)
    one.wait_up()
    before = one.pids("web")
    os.kill(min(before), signal.SIGKILL)
    assert within(PATIENCE_S, partial(one.has_had, 4, "web"))
    assert within(PATIENCE_S, lambda: not any(Path(f"/proc/{pid}").exists() for pid in before)), "zombies"
    one.process.terminate()
    assert one.ended()[0] == 0
    assert one.nobody_is_left()


def test_a_stubborn_child_is_killed_after_a_while(supervised: Callable[..., Supervised]) -> None:
    both = supervised(web=PLAIN, dns=STUBBORN)
    both.wait_up()
    began = time.monotonic()
    both.process.terminate()
    assert both.ended() == (0, "stopped\n", "")
    assert time.monotonic() - began >= STOP_S
    assert both.nobody_is_left()


def test_the_second_ctrl_c_does_not_wait(supervised: Callable[..., Supervised]) -> None:
    both = supervised(LONG_S, web=PLAIN, dns=STUBBORN)
    both.wait_up()
    (web,) = both.pids("web")
    both.process.send_signal(signal.SIGINT)
    assert within(PATIENCE_S, lambda: not alive(web))
    time.sleep(0.3)
    assert both.process.poll() is None
    both.process.send_signal(signal.SIGINT)
    assert both.ended()[0] == 0
    assert both.nobody_is_left()


def test_a_signal_while_children_start_loses_none(supervised: Callable[..., Supervised]) -> None:
    for pause in (0.0, 0.1, 0.15, 0.2, 0.25, 0.3):
        both = supervised(LONG_S, web=PLAIN, dns=SILENT)
        time.sleep(pause)
        with contextlib.suppress(ProcessLookupError):
            both.process.terminate()
        both.ended()
        assert not any(alive(pid) for name in ("web", "dns") for pid in both.pids(name))


def test_children_have_no_stdin_and_write_to_stderr_only(supervised: Callable[..., Supervised]) -> None:
    one = supervised(web=CHATTY)
    one.wait_up()
    one.process.terminate()
    assert one.ended() == (0, "stopped\n", "to stdout ''\n")


def test_a_hangup_that_was_ignored_stays_ignored(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", DRIVER, str(STOP_S), "web", PLAIN, str(tmp_path / "web")]
    nohup = subprocess.Popen(
        ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert nohup.stdout is not None
    assert nohup.stdout.readline() == "all up\n"
    nohup.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert nohup.poll() is None
    nohup.terminate()
    assert nohup.communicate(timeout=PATIENCE_S) == ("stopped\n", "")


# Says when it is told to retire, and ends a while later: it finishes what was begun.
LEAVING = """
def leave(*_):
    home.with_suffix(".retired").touch()
    time.sleep(0.5)
    sys.exit()
signal.signal(signal.SIGWINCH, leave)
note(); ready.report()
while True: signal.pause()
"""


def test_a_reload_replaces_one_after_the_other_and_leaves_out_what_is_not_wanted(
    supervised: Callable[..., Supervised],
) -> None:
    three = supervised(web=LEAVING, dns=LEAVING, gone=LEAVING)
    three.wait_up()
    before = {name: three.pids(name) for name in ("web", "dns", "gone")}
    slow = f"time.sleep(0.5)\n{LEAVING}"
    three.reload(web=slow, dns=slow, new=PLAIN)
    assert within(PATIENCE_S, lambda: len(three.pids("web")) == 2)
    assert three.living("dns") == before["dns"], "two are replaced at once"
    assert before["web"] < three.living("web"), "the old one was ended before the new one was up"
    three.wait_up()
    assert within(PATIENCE_S, lambda: not any(map(alive, set().union(*before.values()))))
    assert {name: len(three.living(name)) for name in ("web", "dns", "gone", "new")} == {
        "web": 1,
        "dns": 1,
        "gone": 0,
        "new": 1,
    }
    assert all((three.place / f"{name}.retired").exists() for name in ("web", "dns", "gone"))
    three.process.terminate()
    assert three.ended() == (0, "stopped\n", "")
    assert three.nobody_is_left()


def test_while_the_new_one_does_not_come_up_the_old_one_stays(supervised: Callable[..., Supervised]) -> None:
    one = supervised(web=LEAVING)
    one.wait_up()
    before = one.pids("web")
    one.reload(web=BROKEN)
    assert within(PATIENCE_S, partial(one.has_had, 4, "web"))
    assert before <= one.living("web")
    one.reload(web=PLAIN)
    one.wait_up()
    assert within(PATIENCE_S, lambda: len(one.living("web")) == 1 and not before & one.living("web"))
    one.process.terminate()
    assert one.ended()[0] == 0


def test_nothing_changes_where_there_is_nothing_new(supervised: Callable[..., Supervised]) -> None:
    both = supervised(web=PLAIN, dns=BEATING)
    both.wait_up()
    before = both.pids("web") | both.pids("dns")
    both.process.send_signal(signal.SIGHUP)
    assert both.process.stdout is not None
    assert both.process.stdout.readline() == "again\n"
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        both.process.send_signal(number)
    time.sleep(0.3)
    assert both.pids("web") | both.pids("dns") == before == both.living("web") | both.living("dns")
    both.process.terminate()
    assert both.ended() == (0, "stopped\n", "")


def test_a_reload_before_all_are_up_waits_for_them(supervised: Callable[..., Supervised]) -> None:
    one = supervised(web=f"note(); time.sleep(1)\n{PLAIN}")
    assert within(PATIENCE_S, lambda: bool(one.pids("web")))
    (one.place / "new.json").write_text("[]")
    one.process.send_signal(signal.SIGHUP)
    one.wait_up()
    assert one.process.stdout is not None
    assert one.process.stdout.readline() == "again\n"
    one.process.terminate()
    assert one.ended()[0] == 0


def test_what_retires_is_ended_by_term_like_all_others(supervised: Callable[..., Supervised]) -> None:
    stays = (
        "signal.signal(signal.SIGWINCH, lambda *_: None); note(); ready.report()\nwhile True: signal.pause()"
    )
    one = supervised(web=stays)
    one.wait_up()
    one.reload(web=PLAIN)
    one.wait_up()
    assert len(one.living("web")) == 2
    one.process.terminate()
    assert one.ended() == (0, "stopped\n", "")
    assert one.nobody_is_left()
