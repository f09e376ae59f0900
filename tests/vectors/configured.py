"""The configuration of a project as stock client and server exchange it: pushed, refused, and pulled again.

    first client --config push--> server --config pull--> second client

Times of rows are fixed, so that they are the same in every run. The accounts that each clone has are dated back: a push
of all of them would give the server's account of that name the clone's password.
"""

from typing import Final

from tests.vectors.scene import Scene
from tests.vectors.wire import Json

#: Rows of each table and area that carries any, with octets, quotes, and values that are no text.
ROWS: Final = """
    REPLACE INTO config (name, value, mtime) VALUES
        ('project-name', 'it''s a project', 1700000001), ('project-description', 'two' || char(10) || 'lines', 8),
        ('css', 'body { color: black }', 8), ('logo-image', x'89504e470aff', 8), ('timeline-utc', 1, 8),
        ('ticket-common', 'set x 1', 8), ('walias:/b', '/wiki?name=b', 8), ('walias:/a', '/wiki?name=a', 8),
        ('interwiki:w', '{"base":"https://w.example/"}', 8), ('xfer-push-script', 'set x 1', 8);
    DELETE FROM reportfmt;
    REPLACE INTO reportfmt (owner, title, mtime, cols, sqlcode) VALUES ('ann', 'Late', 8, 'x', 'SELECT ''x''');
    REPLACE INTO concealed VALUES ('0123456789012345678901234567890123456789', 8, 'a@b.example');
    REPLACE INTO shun (uuid, mtime, scom) VALUES (lower(hex(zeroblob(32))), 8, 'a leak');
    UPDATE user SET mtime = 1;
    INSERT INTO user (login, pw, cap, info, mtime) VALUES ('carl', '', 'goi', 'Carl', 8);
"""
#: What of it is newer at the server when it is pushed again, and older when it is pulled.
NEWER: Final = "UPDATE config SET value = 'newer', mtime = 9 WHERE name = 'css'"
#: Each: its name, what the client does, as whom, what is to be seen, and what changes at the server before.
STEPS: Final = (
    ("config-push-skin", "push", "skin", "dev", "by a user with setup", ""),
    ("config-push-all", "push", "all", "dev", "by a user with setup: rows of every table", ""),
    ("config-push-older", "push", "skin", "dev", "again, after a row became newer at the server", NEWER),
    ("config-pull-skin", "pull", "skin", "ro", "by a user that may only read: the newer row comes", ""),
    (
        "config-pull-reader",
        "pull",
        "all",
        "ro",
        "by a user that may only read: no accounts, no addresses",
        "",
    ),
    ("config-pull-all", "pull", "all", "dev", "by a user with setup", ""),
)


def record_configuration(scene: Scene) -> None:
    """Pushes and pulls of a client that may administer the server, and of one that may read."""
    fossil, url = scene.bench.fossil, scene.wire.url
    for name in ("giver", "taker"):
        fossil("clone", "--once", url("dev"), f"{name}.fossil")
    giver, taker = scene.bench.work / "giver.fossil", scene.bench.work / "taker.fossil"
    scene.change(scene.server, "DELETE FROM config WHERE name = 'max-download'")
    scene.change(giver, ROWS)
    scene.wire.noted()
    code: Json = {"project_code": scene.project_code}
    said = scene.run("config", "push", "all", url("ro"), "-R", giver)
    scene.note("config-push-refused", "fossil config push all by a user that may only read", said | code)
    scene.change(scene.server, "UPDATE user SET cap = 's' WHERE login = 'dev'")
    for name, way, area, login, description, before in STEPS:
        scene.change(scene.server, before)
        fossil("config", way, area, url(login), "-R", giver if way == "push" else taker)
        scene.note(name, f"fossil config {way} {area} {description}", code)
