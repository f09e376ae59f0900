"""A repository for whoever joins a group without one: a mirror, copied from the first member that answers.

    the keys name the project and its members ─> a mirror ─> one pull, signed with the group's secret ─> it can join

An attempt that fails leaves the mirror, from which the next one goes on.
"""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from xferzone.errors import Away, Denied, PeerError, Refused
from xferzone.exchange.group.joining import check_place
from xferzone.exchange.mirror.follower import Follower
from xferzone.exchange.mirror.following import INTERVAL_S, Following, Ways
from xferzone.refs.keys import Keys
from xferzone.refs.membership import Membership
from xferzone.refs.roster import Roster, check_name, check_prefix, projects
from xferzone.replicate.signing import Signer
from xferzone.repository.make import make_mirror
from xferzone.store import Store


# many: where, of which group, for whom, by which ways
def copy_if_empty(path: Path, keys: Keys, wish: Membership, ways: Ways, options: Following) -> None:
    """Have the project of the only group below the prefix at `path`, if nothing of any project is there.

    Args:
        wish: of the member that it is to be.
        options: but for the account, which is the group's.

    Raises:
        Refused: there is no group, or several.
        Exists: another member has the name, or the URL.
        Away: etcd, or every member, cannot be reached.
    """
    prefix, name = wish.prefix, wish.name
    check_prefix(prefix)
    check_name(name)
    if not _is_empty(path):
        return
    project = the_project(keys, prefix)
    roster = Roster.read(keys, f"{prefix}/{project}/")
    if roster.rules is None:
        raise Away(
            f"the group of project {project} is not ready: {roster.beginning or 'nobody'} is making it: try again"
        )
    check_place(roster, wish)
    urls = [each.url for each in roster.fellows(name).values()]
    if not urls:
        raise Refused(f"the group of project {project} has no other member that could be copied")
    if not path.exists():
        make_mirror(path)
    signing = replace(options, via="walk", account=Signer(name, roster.secret, is_member=True))
    with Store.open(path) as store, closing(Follower(store, urls, INTERVAL_S, ways, signing)) as follower:
        try:
            follower.pull()
        except (PeerError, Denied) as exc:
            raise Away(f"no member of the group can be copied: {exc}") from exc


def the_project(keys: Keys, prefix: str) -> str:
    """The project of the only group below `prefix`, for whoever has no repository yet.

    Raises:
        Refused: there is no group, or several.
        Away: etcd cannot be reached.
    """
    check_prefix(prefix)
    found = projects(keys, prefix)
    if not found:
        raise Refused(
            f"{keys.name} has no group below {prefix}: it begins with a primary, so give its repository with -R there"
        )
    if len(found) > 1:
        raise Refused(
            f"{keys.name} has groups of several projects below {prefix}, {' and '.join(found)}: clone the one that you "
            "mean from a member, and join with that"
        )
    return found[0]


def _is_empty(path: Path) -> bool:
    """Whether there is no file, or a mirror without anything."""
    if not path.exists():
        return True
    with Store.open(path) as store, store.reader() as reader:
        return bool(reader.emptiness)
