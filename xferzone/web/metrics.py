"""GET /metrics: the counters of all processes of this server, and how its zones stand.

counters                           summed over processes that there are and were (counters.py)
xferzone_refs_published            branches of zones that are published
xferzone_zone_serial{zone}         of the zones that are published, the first MAX_ZONES by name
xferzone_zone_age_seconds{zone}    since the last move of the zone's served branch here
xferzone_zones_left_out            published zones beyond those
xferzone_unversioned_files         that are here, deleted ones left out
xferzone_unversioned_bytes         of their contents
xferzone_mirror_behind_seconds     of a mirror that follows: since all that a primary tells was here; 0: it is
xferzone_mirror_behind_checkins    moves of the primary's refs that are known and not made here
xferzone_mirror_last_success_timestamp_seconds{primary}, ..._last_error_timestamp_seconds{primary}
xferzone_group_state{state}        of a member of a group: 1 for the state that it is in, 0 for the others
xferzone_group_etcd_silence_seconds    since etcd answered last
xferzone_group_behind_refs         branches that do not stand where the group's keys do
xferzone_group_fellow_last_success_timestamp_seconds{fellow}
xferzone_dns_zones                 zones that the DNS processes beside this server answer for
"""

import time
from collections.abc import Iterator
from itertools import chain
from typing import Final

import falcon

from xferzone import metrics
from xferzone.counters import Counters
from xferzone.errors import XferzoneError
from xferzone.exchange.group import standing as group
from xferzone.exchange.mirror.standing import of_role
from xferzone.refs import LocalRefs
from xferzone.store import unversioned
from xferzone.transport.url import credentials
from xferzone.web.repository import Repository

MAX_ZONES: Final = 1_000  # told one by one; ours: two series each, and a scrape stays below 200 kB


class MetricsPage:
    """GET /metrics"""

    def __init__(self, repository: Repository, counters: Counters) -> None:
        self._repository = repository
        self._counters = counters

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        sums = self._counters.sums()
        zones = metrics.of_zones(sums, self._counters.names())
        lines = chain(metrics.exposition(sums), zones, self._dns(), self._refs(), self._lag(), self._group())
        resp.content_type = metrics.CONTENT_TYPE
        resp.data = "".join(f"{line}\n" for line in lines).encode()

    on_head = on_get

    def _dns(self) -> Iterator[str]:
        zones = self._counters.zones()
        if zones is not None:
            yield from metrics.told(
                "xferzone_dns_zones", "Zones that DNS answers for", "gauge", [("", zones)]
            )

    def _lag(self) -> Iterator[str]:
        try:
            with self._repository.store().reader() as reader:
                found = of_role(self._repository.path, reader.role)
        except XferzoneError:
            return  # /readyz says why
        if found is None:
            return
        behind = found.behind_ms(time.time_ns() // 1_000_000)
        labels = [f'primary="{_label(each.url)}"' for each in found.primaries]
        for name, help_, samples in (
            (
                "xferzone_mirror_behind_seconds",
                "Seconds since all that a primary tells was here; 0: it is",
                [] if behind is None else [("", behind / 1000)],
            ),
            (
                "xferzone_mirror_behind_checkins",
                "Moves of the primary's refs that are known and not made here",
                [("", found.behind_moves)],
            ),
            (
                "xferzone_mirror_last_success_timestamp_seconds",
                "When the primary answered last, since 1970; 0: never",
                [
                    (label, each.success_ms / 1000)
                    for label, each in zip(labels, found.primaries, strict=True)
                ],
            ),
            (
                "xferzone_mirror_last_error_timestamp_seconds",
                "When the primary could not be used last, since 1970; 0: never",
                [(label, each.error_ms / 1000) for label, each in zip(labels, found.primaries, strict=True)],
            ),
        ):
            yield from metrics.told(name, help_, "gauge", samples)

    def _group(self) -> Iterator[str]:
        try:
            with self._repository.store().reader() as reader:
                found = group.of_role(self._repository.path, reader.role)
        except XferzoneError:
            return  # /readyz says why
        if found is None:
            return
        silence_ms = max(time.time_ns() // 1_000_000 - found.answered_ms, 0)
        for name, help_, samples in (
            (
                "xferzone_group_state",
                "The state of this member of a group",
                [(f'state="{each}"', int(each == found.state)) for each in group.STATES],
            ),
            (
                "xferzone_group_etcd_silence_seconds",
                "Seconds since etcd answered last",
                [("", silence_ms / 1000)] if found.answered_ms else [],
            ),
            (
                "xferzone_group_behind_refs",
                "Branches that do not stand where the group's keys do",
                [("", found.behind)],
            ),
            (
                "xferzone_group_fellow_last_success_timestamp_seconds",
                "When all that another member has was fetched last, since 1970; 0: never",
                [(f'fellow="{each.name}"', each.success_ms / 1000) for each in found.fellows],
            ),
        ):
            yield from metrics.told(name, help_, "gauge", samples)

    def _refs(self) -> Iterator[str]:
        try:
            with self._repository.store().reader() as reader:
                refs = LocalRefs(reader)
                published, zones = refs.counts()
                standing = list(refs.standing(MAX_ZONES))
                files, size = unversioned.totals(reader)
        except XferzoneError:
            return  # /readyz says why
        now_ms = time.time_ns() // 1_000_000
        labelled = [(f'zone="{one.branch.zone}"', one) for one in standing]
        serials = [(labels, one.serial or 0) for labels, one in labelled]
        ages = [(labels, round((now_ms - one.occasion.now_ms) / 1000, 3)) for labels, one in labelled]
        for name, help_, samples in (
            ("xferzone_refs_published", "Branches of zones that are published", [("", published)]),
            ("xferzone_zone_serial", "Serial of a published zone", serials),
            ("xferzone_zone_age_seconds", "Seconds since the zone was last published here", ages),
            (
                "xferzone_zones_left_out",
                "Published zones that are not told one by one",
                [("", zones - len(standing))],
            ),
            ("xferzone_unversioned_files", "Unversioned files", [("", files)]),
            ("xferzone_unversioned_bytes", "Bytes of unversioned files", [("", size)]),
        ):
            yield from metrics.told(name, help_, "gauge", samples)


def _label(url: str) -> str:
    """The URL without its login, as the value of a label."""
    return credentials(url)[0].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
