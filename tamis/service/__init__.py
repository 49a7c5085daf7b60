"""service - what a program needs to live on a mail server, whatever it serves.

`listen`: sockets, our own or systemd's. `privileges`: root no more. `notify`: systemd hears how we are. `scrape`: the
port for Prometheus. `life`: signals, reload and orderly stop of an asyncio program. The order at start: read the
configuration, open listeners, drop privileges, then everything else.
"""

from tamis.service.activation import Activation
from tamis.service.address import InetAddress, UnixAddress, parse_address
from tamis.service.life import Life, accept_on, run
from tamis.service.listen import open_listener, open_listeners
from tamis.service.notify import Notifier
from tamis.service.privileges import drop_privileges
from tamis.service.scrape import MetricsPort, serving_metrics, start_metrics

__all__ = [
    "Activation",
    "InetAddress",
    "Life",
    "MetricsPort",
    "Notifier",
    "UnixAddress",
    "accept_on",
    "drop_privileges",
    "open_listener",
    "open_listeners",
    "parse_address",
    "run",
    "serving_metrics",
    "start_metrics",
]
