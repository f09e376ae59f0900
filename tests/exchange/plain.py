"""A plain program that answers requests without HTTP: `plain.py FILE < requests`, JSON both ways, without falcon."""

import base64
import json
import sys
from pathlib import Path

sys.modules["falcon"] = None  # type: ignore[assignment]  # whoever imports it here fails

from xferzone import exchange  # noqa: E402  what it imports is what is tested
from xferzone.env import Env  # noqa: E402  the same
from xferzone.store import Store  # noqa: E402  the same
from xferzone.transport import Body  # noqa: E402  the same


def main() -> None:
    requests: list[tuple[str, str]] = json.load(sys.stdin)
    replies = []
    terms = exchange.Terms(env=Env(token=bytes))  # without chance
    with Store.open(Path(sys.argv[1])) as store:
        for content_type, octets in requests:
            reply = exchange.answer(store, Body.of(content_type, base64.b64decode(octets)), terms)
            replies.append((reply.body.content_type, base64.b64encode(reply.octets()).decode()))
    json.dump(replies, sys.stdout)


if __name__ == "__main__":
    main()
