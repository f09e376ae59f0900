"""Is a request of the walk answered at all: this server has caught up, and whoever asks may.

an empty mirror        503, to everybody
copies, no member      409, to everybody: nobody can sign for a group that this repository is not in
no signature, a bad one or an expired one      401, with the project and the time
a good one, of one who may not                 403
too many that did not hold before              429; 401 to a proxy that asks
"""

from dataclasses import replace
from typing import Final

from xferzone.env import Env
from xferzone.errors import Guessing
from xferzone.refs.membership import membership
from xferzone.replicate import copies, replying
from xferzone.replicate.replying import Refusal
from xferzone.replicate.rights import Asker, Unauthorized
from xferzone.replicate.signing import SCHEME, Signed
from xferzone.store import Reader
from xferzone.sync.server.login import Rights

RETRY_S: Final = 5  # seconds after which a server that has not caught up, or is busy, is asked again


# many: of what, by whom, and how it is to be told
def admit(
    reader: Reader, signed: Signed, asker: Asker, env: Env, *, is_copies: bool, to_proxy: bool = False
) -> Rights:
    """What whoever asks may do, if the request may be answered.

    Args:
        signed: what has to be signed, but for the project code.
        is_copies: it brings copies, which only members may.
        to_proxy: a proxy asks, on somebody's behalf. Of what it is told nginx knows 401 and 403 alone.

    Raises:
        Refusal: it may not.
        Guessing: too many logins have failed; a proxy hears 401 then.
    """
    code = reader.setting("project-code")
    if code is None or reader.emptiness:  # its words name the primary: they are for those at home
        raise Refusal(503, "this server has not caught up with its primary yet", retry_after=str(RETRY_S))
    if is_copies and membership(reader) is None:
        raise Refusal(409, copies.NO_MEMBER)
    try:
        rights = asker.rights(reader, replace(signed, project_code=code), env)
    except Unauthorized as exc:
        raise _unauthorized(code, str(exc), asker, env) from exc
    except Guessing as exc:
        if to_proxy:
            raise _unauthorized(code, str(exc), asker, env) from exc
        raise
    if rights.read and (asker.is_member or not is_copies):
        return rights
    if not asker.authorization:
        raise _unauthorized(code, "reading needs an account here: sign the request", asker, env)
    if is_copies:
        raise Refusal(403, "copies are taken from members of the group alone: push by xfer")
    raise Refusal(403, f"the account {rights.login} may not read here")


def _unauthorized(code: str, reason: str, asker: Asker, env: Env) -> Refusal:
    challenge = f"{SCHEME} project={code}"
    if asker.is_secure:
        challenge += f', Basic realm="{code}"'
    # By the date a client whose clock is wrong measures by how much.
    return Refusal(401, reason, www_authenticate=challenge, date=replying.date(env))
