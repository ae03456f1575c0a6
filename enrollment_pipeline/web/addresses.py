"""Which network addresses a request may lead to; pure.

It is a request that other people let this machine make. It must not reach what only this machine
can: itself, its private network, the metadata service of its cloud.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# What older versions of `ipaddress` take for public, and what is public but not for everybody.
_CLOSED_V4 = (
    IPv4Network("192.0.0.0/24"),  # IETF protocol assignments; a cloud's metadata service
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    IPv4Network("168.63.129.16/32"),  # services that a cloud offers to its machines
)
# Everything public is in here, but for the forms below that wrap an IPv4 address.
_PUBLIC_V6 = IPv6Network("2000::/3")
_CLOSED_V6 = (
    IPv6Network("2001::/23"),  # IETF protocol assignments, Teredo
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("3fff::/20"),  # documentation
)
_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to the public internet.

    An IPv6 address that wraps an IPv4 address (mapped, NAT64, 6to4) is what it wraps.
    """
    plain = address.partition("%")[0]
    found = ip_address(plain)
    if isinstance(found, IPv6Address):
        wrapped = _wrapped(found)
        if wrapped is None:
            return found in _PUBLIC_V6 and not any(found in network for network in _CLOSED_V6)
        found = wrapped
    return (
        found.is_global
        and not found.is_multicast
        and not found.is_reserved
        and not any(found in network for network in _CLOSED_V4)
    )


def _wrapped(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
