"""The keys of a group, as one of its members reaches them."""

import os

from xferzone.refs.etcd import Etcd
from xferzone.refs.gateway import NONE, Login, Remedies
from xferzone.refs.membership import Membership
from xferzone.secret import parse_secret
from xferzone.transport.trust import trust


def reached(share: Membership, remedies: Remedies = NONE) -> Etcd:
    """The etcd that the member knows; to be closed, and not to be carried over a fork.

    `remedies`: told where it gives no answer.

    Raises:
        UsageError: a URL, a file for TLS or the place of the password cannot be used.
    """
    login = None
    if share.user:
        place = parse_secret(share.password)
        login = Login(share.user, lambda: place.reveal(os.environ))
    is_own = any((share.ca, share.certificate, share.key))
    trusted = trust(share.ca or None, share.certificate or None, share.key or None) if is_own else None
    return Etcd(share.etcd, login=login, trusted=trusted, remedies=remedies)
