"""Record the vectors afresh with the fossil on PATH:    python -m tests.vectors.record DIRECTORY

What fossil is asked (texts, deltas, artifacts, passwords) is taken from the vectors beside this script; what it
answers is written to DIRECTORY, in files of the same names and form. Codes, dates, nonces and the hashes that
depend on them differ from run to run; the artifacts' verdicts, deltas and framing do not. It takes a few seconds.
"""

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.vectors.configured import record_configuration
from tests.vectors.scene import Scene
from tests.vectors.wire import PASSWORDS, Bench, Json, b64, body_text, framed, raw, unframed

HERE = Path(__file__).parent


def record(out: Path) -> None:
    """Write all vectors to the directory `out`."""
    with tempfile.TemporaryDirectory(prefix="vectors-") as work:
        bench = Bench(Path(work), out)
        record_framing(bench)
        record_deltas(bench)
        scene = Scene(bench)
        record_verdicts(bench, scene.server)
        login = record_clone(scene)
        record_logins(scene, login)
        tree = record_sync(scene)
        record_unversioned(scene)
        record_private(scene, tree)
        record_locks(scene)
        record_clusters(scene)
        record_other_clones(scene)
        record_configuration(scene)
        record_contents(scene)
        scene.wire.shutdown()
        scene.wire.server_close()


# -- what needs no server


def record_framing(bench: Bench) -> None:
    rows = []
    for row in _asked("framing.json"):
        plain = raw(row["plain_b64"])
        bench.fossil("test-compress", bench.file("plain", plain), "framed")
        stock = (bench.work / "framed").read_bytes()
        other = framed(plain)
        bench.fossil("test-uncompress", bench.file("other", other), "again")
        rows.append(
            {
                "name": row["name"],
                "plain_b64": b64(plain),
                "framed_by_fossil_b64": b64(stock),
                "python_level9_b64": b64(other),
                "fossil_decodes_python": (bench.work / "again").read_bytes() == plain,
                "python_decodes_fossil": unframed(stock) == plain,
            }
        )
    bench.save("framing.json", rows)


def record_deltas(bench: Bench) -> None:
    asked = json.loads((HERE / "delta.json").read_bytes())
    created = []
    for row in asked["created_by_fossil"]:
        source, target = bench.file("s", raw(row["source_b64"])), bench.file("t", raw(row["target_b64"]))
        bench.fossil("test-delta-create", source, target, "d")
        bench.fossil("test-delta-apply", source, "d", "o")
        delta = (bench.work / "d").read_bytes()
        made = {"delta_b64": b64(delta), "delta_len": len(delta)}
        again = (bench.work / "o").read_bytes() == target.read_bytes()
        created.append({**row, **made, "fossil_roundtrip": again})
    hand_made = []
    for row in asked["hand_made"]:
        source, made_delta = bench.file("s", raw(row["source_b64"])), bench.file("d", raw(row["delta_b64"]))
        (bench.work / "o").unlink(missing_ok=True)
        done = bench.fossil("test-delta-apply", source, made_delta, "o", check=False)
        output = b64((bench.work / "o").read_bytes()) if (bench.work / "o").exists() else None
        said = done.stderr.decode("utf-8", "replace").strip()[:200]
        hand_made.append({**row, "exit_status": done.returncode, "output_b64": output, "stderr": said})
    # Integers and checksums are arithmetic: nothing to ask.
    bench.save("delta.json", {**asked, "created_by_fossil": created, "hand_made": hand_made})


def record_verdicts(bench: Bench, repository: Path) -> None:
    rows = []
    for row in _asked("artifacts.json"):
        content = raw(row["artifact_b64"])
        said = bench.fossil(
            "test-parse-manifest", bench.file("artifact", content), "-R", repository, check=False
        ).stdout.decode("utf-8", "replace")
        rows.append(
            {
                "name": row["name"],
                "artifact_b64": b64(content),
                "sha3_256": hashlib.sha3_256(content).hexdigest(),
                "accepted": "manifest_parse() worked" in said,
                "fossil_says": [line for line in said.splitlines() if line.startswith("ERROR")][:1],
                "quick_check_well_formed": "is ok" in said,
            }
        )
    bench.save("artifacts.json", rows)


# -- what two repositories say to each other


def record_clone(scene: Scene) -> bytes:
    """The first clone; the login message of its second round."""
    lines = [b"record %d is worth %d\n" % (number, number * 7919) for number in range(180)]
    first = {"list.txt": b"".join(lines), "a dir/a file.txt": b"few words\n", "octets": _noise(300)}
    scene.commit(scene.tree, first, "files of three kinds")
    lines[50] = b"record fifty is another\n"
    scene.commit(scene.tree, {"list.txt": b"".join(lines)}, "one line differs")
    scene.bench.fossil("clone", "--once", scene.wire.url("dev"), scene.client)
    scene.bench.fossil("settings", "autosync", "off", "-R", scene.client)
    login = body_text(scene.wire.exchanges[1].request_head, scene.wire.exchanges[1].request)
    scene.note("clone-v3", "stock client clones with credentials; round 1 carries no login card")
    return login


def record_logins(scene: Scene, recorded: bytes) -> None:
    rows: list[Json] = []
    for number, row in enumerate(_asked("login.json", "vectors")):
        login, password = str(row["login"]), str(row["password"])
        secret = password
        if len(password) != 40 or not set(password) <= set("0123456789abcdefABCDEF"):
            secret = _sha1(f"{scene.project_code}/{login}/{password}".encode())
        line, rest = b"", b"pull x %s\n# 00\n" % scene.project_code.encode()
        if number == 0:
            line, _, rest = recorded.partition(b"\n")
        nonce = _sha1(rest)
        signature = _sha1((nonce + secret).encode())
        card = f"login {login.replace(' ', chr(92) + 's')} {nonce} {signature}"
        if line.decode() not in ("", card):
            raise SystemExit(f"fossil says {line!r}, the rule says {card!r}")
        note = "computed" if number else "recorded from the stock client"
        row = {"note": note, "project_code": scene.project_code, "login": login, "password": password}
        row |= {"shared_secret": secret, "login_card": card, "rest_b64": b64(rest)}
        rows.append({**row, "nonce": nonce, "signature": signature})
    query = "SELECT login, pw FROM user WHERE length(pw) = 40"
    stored = {login: secret for login, secret in scene.rows(query) if login in PASSWORDS}
    note = "stored_pw_column shows that the server's user.pw equals shared_secret"
    vectors: Json = {
        "project_code": scene.project_code,
        "vectors": rows,
        "stored_pw_column": stored,
        "note": note,
    }
    scene.bench.save("login.json", vectors)


def record_sync(scene: Scene) -> Path:
    """Pull, push, refusals; the client's check-out."""
    fossil, url, client = scene.bench.fossil, scene.wire.url, scene.client
    longer = (scene.tree / "list.txt").read_bytes() + b"one more at the end\n"
    scene.commit(scene.tree, {"list.txt": longer, "new.txt": b"a new file\n"}, "on the server\nin two lines")
    fossil("pull", url("dev"), "--once", "-R", client)
    scene.note("pull-deltas", "pull: igot, then gimme, then file cards (delta against the parent version)")
    tree = scene.check_out("client", client, "--nosync")
    zone = {"list.txt": longer + b"and one from the client\n"}
    scene.commit(tree, zone, "on the client", "--branch", "example.com/main", "--user-override", "dev")
    tip = scene.artifact("tip", tree)
    fossil("push", url("dev"), "--once", cwd=tree)
    more: Json = {"new_checkin_artifact_b64": b64(tip)}
    scene.note("push-checkin", "push of one check-in on a new branch by the stock client", more)
    scene.run("push", url("ro"), "--once", cwd=tree)
    scene.note("push-not-authorized", "push by a user that may only read")
    scene.run("sync", url("ro"), "--once", cwd=tree)
    scene.note("sync-pull-only", "sync by a user that may only read: message card")
    said = scene.run("pull", url("dev", "wrong"), "--once", cwd=tree)
    scene.note("auth-failure", "wrong password", said)
    fossil("sync", url("dev"), "--once", "--verily", cwd=tree)
    scene.note("sync-verily", "sync --verily (pragma send-catalog)")
    return tree


def record_unversioned(scene: Scene) -> None:
    fossil, url = scene.bench.fossil, scene.wire.url("dev")
    long, short = scene.bench.file("long", b"without versions\n" * 9), scene.bench.file("short", b"short\n")
    for repository, path, name, day in (
        (scene.server, long, "refs/one.txt", "2024-01-01"),
        (scene.server, short, "both.txt", "2024-01-01"),
        (scene.client, long, "both.txt", "2024-02-01"),
        (scene.client, short, "client-only.txt", "2024-03-01"),
    ):
        fossil("uv", "add", path, "--as", name, "--mtime", f"{day} 00:00:00", "-R", repository)
    query = "SELECT name, mtime, hash, sz FROM unversioned ORDER BY name"
    fossil("uv", "sync", url, "--once", "-R", scene.client)
    rows = [list(row) for row in scene.rows(query, scene.client)]
    scene.note("uv-sync", "unversioned sync in both directions", {"uv_rows_after": rows})
    fossil("uv", "rm", "both.txt", "--mtime", "2024-04-01 00:00:00", "-R", scene.client)
    fossil("uv", "touch", "client-only.txt", "--mtime", "2024-04-02 00:00:00", "-R", scene.client)
    fossil("uv", "sync", url, "--once", "-R", scene.client)
    scene.note("uv-delete-touch", "deletion marker and mtime-only update pushed by the client")
    fossil("uv", "sync", url, "--once", "-R", scene.client)
    first = scene.wire.exchanges[0]
    words = [line.split() for line in body_text(first.request_head, first.request).decode().splitlines()]
    (said,) = [word[2] for word in words if word[:2] == ["pragma", "uv-hash"]]
    scene.note("uv-noop", "uv sync when the hashes agree")
    held = scene.rows(query, scene.client)
    text = "".join(
        f"{name} {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(int(str(mtime))))} {content}\n"
        for name, mtime, content, _ in held
        if content
    )
    if said != _sha1(text.encode()):
        raise SystemExit(f"fossil says uv-hash {said}, the rule says {_sha1(text.encode())}")
    vectors: Json = {
        "rows": [list(row) for row in held],
        "hashed_text": text,
        "sha1_of_text": _sha1(text.encode()),
    }
    scene.bench.save("uvhash.json", {**vectors, "recorded_pragma_uv_hash": said, "empty_set": _sha1(b"")})


def record_private(scene: Scene, tree: Path) -> None:
    fossil, url = scene.bench.fossil, scene.wire.url("dev")
    words = ("--branch", "secret", "--private", "--user-override", "dev")
    scene.commit(tree, {"private.txt": b"not for everybody\n"}, "in private", *words)
    fossil("sync", url, "--once", cwd=tree)
    scene.note("private-not-synced", "sync without --private while a private branch exists")
    fossil("sync", url, "--once", "--private", cwd=tree)
    scene.note("private-sync", "sync --private pushing a private branch")
    other = scene.bench.work / "other.fossil"
    fossil("clone", "--once", "--private", "--unversioned", url, other)
    scene.note("clone-private-uv", "clone --private --unversioned")
    fossil("config", "pull", "project", url, "-R", other)
    scene.note("config-pull", "fossil configuration pull project")


def record_locks(scene: Scene) -> None:
    trees = {}
    for name in ("a", "b"):
        repository = scene.bench.work / f"lock-{name}.fossil"
        scene.bench.fossil("clone", "--save-http-password", scene.wire.url("dev"), repository)
        trees[name] = scene.check_out(f"lock-{name}", repository, "trunk", "--nosync")
        scene.bench.file(str(trees[name] / "lock.txt"), name.encode())
        scene.bench.fossil("add", "lock.txt", cwd=trees[name])
    scene.wire.noted()
    scene.run("commit", "--no-warnings", cwd=trees["a"], editor="/bin/false")
    scene.note("ci-lock-taken", "client A starts a commit (pre-commit autosync takes the lock) and aborts it")
    said = scene.run("commit", "-m", "from b", "--no-warnings", cwd=trees["b"])
    scene.note("ci-lock-fail", "client B commits against the same parent", said)
    said = scene.run("commit", "-m", "from a", "--no-warnings", cwd=trees["a"])
    scene.note("ci-commit-a", "client A commits: lock, then push", said)


def record_clusters(scene: Scene) -> None:
    many = {f"many/{number}.txt": b"file %d of many\n" % number for number in range(130)}
    scene.commit(scene.tree, many, "many files", "--allow-fork")
    scene.bench.fossil("pull", scene.wire.url("dev"), "--once", "-R", scene.client)
    scene.note("pull-cluster", "the server turns >=100 unclustered artifacts into a cluster during a pull")
    query = "SELECT uuid FROM blob JOIN tagxref USING (rid) JOIN tag USING (tagid) WHERE tagname = 'cluster'"
    rows = []
    for (name,) in scene.rows(query):
        content = scene.artifact(str(name))
        *members, seal = (line.split()[1] for line in content.decode().splitlines())
        rows.append({"hash": name, "artifact_b64": b64(content), "members": members, "z": seal})
    scene.bench.save("cluster.json", rows)


def record_other_clones(scene: Scene) -> None:
    fossil, url = scene.bench.fossil, scene.wire.url("dev")
    scene.change(
        scene.server,
        "UPDATE user SET cap = '' WHERE login IN ('nobody', 'anonymous');"
        "UPDATE user SET cap = 'vuxyg' WHERE login = 'dev'",
    )
    fossil("clone", "--once", "--private", url, "login.fossil")
    scene.note(
        "clone-login-required",
        "nobody lacks the clone capability: push+error first, then login; "
        "--private honoured because the artifacts travel in the logged-in round",
    )
    scene.change(
        scene.server,
        "UPDATE user SET cap = 'gjorz' WHERE login = 'nobody';"
        "REPLACE INTO config (name, value, mtime) VALUES ('max-download', '4000', 0)",
    )
    fossil("clone", "--once", url, "small.fossil")
    scene.note(
        "clone-multi-round",
        "clone with a small server reply budget (max-download=4000): several clone_seqno steps",
    )


def record_contents(scene: Scene) -> None:
    rows = []
    query = "SELECT uuid FROM blob JOIN event ON objid = rid WHERE type = 'ci' ORDER BY mtime LIMIT 4"
    for (name,) in scene.rows(query):
        content = scene.artifact(str(name))
        cards = [line.split(" ") for line in content.decode().splitlines()]
        files, digest = [], hashlib.md5(usedforsecurity=False)
        for card in cards:
            if card[0] == "F":
                file_name, file = card[1].replace("\\s", " "), scene.artifact(card[2])
                digest.update(b"%s %d\n%s" % (file_name.encode(), len(file), file))
                files.append({"name": file_name, "hash": card[2], "content_b64": b64(file)})
        (said,) = [card[1] for card in cards if card[0] == "R"]
        row: Json = {"checkin": name, "artifact_b64": b64(content), "files": files, "r_card": said}
        rows.append({**row, "recomputed": digest.hexdigest()})
    scene.bench.save("rcard.json", rows)
    query = (
        "SELECT rid, uuid, size, hex(content), (SELECT uuid FROM blob WHERE rid = srcid) FROM blob "
        "LEFT JOIN delta USING (rid) WHERE size >= 0 AND length(content) < 900 ORDER BY rid LIMIT 14"
    )
    names = ("rid", "uuid", "size", "content_hex", "delta_src")
    scene.bench.save("storage.json", [dict(zip(names, row, strict=True)) for row in scene.rows(query)])


# -- small change


def _asked(name: str, part: str | None = None) -> Sequence[Json]:
    vectors = json.loads((HERE / name).read_bytes())
    asked: Sequence[Json] = vectors if part is None else vectors[part]
    return asked


def _noise(size: int) -> bytes:
    return b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(size // 32 + 1))[:size]


def _sha1(octets: bytes) -> str:
    return hashlib.sha1(octets, usedforsecurity=False).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description="Record the vectors afresh with the fossil on PATH.")
    parser.add_argument("directory", type=Path, help="where the files go; made if it is not there")
    record(parser.parse_args().directory.absolute())


if __name__ == "__main__":
    main()
