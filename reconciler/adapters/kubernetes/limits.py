"""Named limits of one connection to an API server: time, size and concurrency.

Not a policy of the controller: the values travel from settings. Invariant: nothing that a server does makes a request
last longer or grow bigger than stated here.
"""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, bytes and counts for one server; all identities on it share the concurrency."""

    #: TCP and TLS, until the connection stands.
    connect_s: float = 10.0
    #: One request from the first byte sent to the last byte read. The API server gives itself 60 s.
    request_s: float = 60.0
    #: A watch lasts between once and twice this long; client-go uses the same 5 to 10 minutes.
    watch_s: float = 300.0
    #: How long past its announced end a silent watch is believed to be alive.
    watch_margin_s: float = 15.0
    #: One response. An object is at most about 3 MiB, a page of a list has `page_items_max` of them.
    response_bytes_max: int = 32 * 1024 * 1024
    #: One line of a watch.
    event_bytes_max: int = 8 * 1024 * 1024
    #: The tail of a log.
    log_bytes_max: int = 256 * 1024
    #: `limit` of a list request (client-go's pager: 500).
    page_items_max: int = 500
    #: One complete list.
    list_items_max: int = 200_000
    #: Requests in flight to one server; watches are not counted. Tenants that wait take turns.
    concurrent_max: int = 16
    #: The longest that a tenant's requests are held back after a 429, whatever pause the server asks for.
    rest_s_max: float = 30.0
