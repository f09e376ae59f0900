"""Networks and addresses, and the reverse zones that hold their PTR records.

    192.0.2.0/24      2.0.192.in-addr.arpa
    10.0.0.0/12       0.10.in-addr.arpa, the first of 16
    192.0.2.0/25      2.0.192.in-addr.arpa, of which it is a part
    2001:db8::/32     8.b.d.0.1.0.0.2.ip6.arpa

Source: RFC 1035 3.5, RFC 3596 2.5.
"""

import ipaddress
from typing import NamedTuple

_BITS = {4: 8, 6: 4}  # of an address that are one label of its reverse name


class Reverse(NamedTuple):
    """The first reverse zone of a network, and how many of that size it has."""

    zone: str
    zones: int


def reverse(text: str) -> Reverse | None:
    """The reverse zone of what `text` writes. None: that is neither a network nor an address."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    step = _BITS[network.version]
    whole = -(-network.prefixlen // step) * step  # bits of a zone cut at a label
    length = min(max(whole, step), network.max_prefixlen - step)
    if network.prefixlen > length:
        network = network.supernet(new_prefix=length)
    labels = network.network_address.reverse_pointer.split(".")
    zone = ".".join(labels[(network.max_prefixlen - length) // step :])
    return Reverse(zone, 2 ** (length - network.prefixlen))
