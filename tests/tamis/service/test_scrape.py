from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tamis import metrics
from tamis.errors import ConfigError
from tamis.log import Log
from tamis.service import MetricsPort, open_listener, start_metrics
from tamis.service.scrape import MAX_CONNECTIONS, MAX_REQUEST_BYTES

ROOT = Path(__file__).parent.parent.parent.parent
GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def port() -> Iterator[MetricsPort]:
    opened = start_metrics("127.0.0.1:0", Log.null())
    assert opened is not None
    yield opened
    opened.close()


def connect(port: MetricsPort) -> socket.socket:
    host, _, number = port.address.rpartition(":")
    return socket.create_connection((host, int(number)), timeout=30)


def say(port: MetricsPort, raw: bytes) -> bytes:
    """Everything that is answered; empty where we are hung up on."""
    with connect(port) as client:
        try:
            client.sendall(raw)
            return b"".join(iter(lambda: client.recv(65536), b""))
        except ConnectionError:
            return b""


def test_prometheus_can_read_it(port: MetricsPort) -> None:
    metrics.set_reload(ok=True)
    client = http.client.HTTPConnection(port.address, timeout=30)
    client.request("GET", "/metrics", headers={"Accept": "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"})
    response = client.getresponse()
    page = response.read()
    client.close()
    assert (response.status, response.getheader("Content-Length")) == (200, str(len(page)))
    assert str(response.getheader("Content-Type")).startswith("text/plain")
    names = {family.name for family in text_string_to_metric_families(page.decode())}
    assert "tamis_config_last_reload_successful" in names


def test_openmetrics_goes_to_those_who_accept_it(port: MetricsPort) -> None:
    answer = say(port, GET[:-2] + b"aCCept: application/openmetrics-text;version=1.0.0\r\n\r\n")
    assert b"Content-Type: application/openmetrics-text" in answer
    assert answer.endswith(b"# EOF\n")


def test_head_has_no_body(port: MetricsPort) -> None:
    head, _, body = say(port, GET.replace(b"GET", b"HEAD")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert body == b""


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1",
        b"GET /metrics/../etc HTTP/1.1",
        b"GET /metricsx HTTP/1.1",
        b"POST /metrics HTTP/1.1",
        b"GET http://x/metrics HTTP/1.1",
        b"\0\xff\x16\x03\x01",
        b"",
    ],
)
def test_nothing_else_is_there(port: MetricsPort, line: bytes) -> None:
    assert say(port, line + b"\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 404 ")


def test_too_long_a_request_is_hung_up_on(port: MetricsPort) -> None:
    assert say(port, b"GET /metrics HTTP/1.1\r\nX: " + b"x" * MAX_REQUEST_BYTES) == b""
    assert say(port, GET).startswith(b"HTTP/1.1 200")


def test_peers_that_say_nothing_are_few_and_do_not_stay() -> None:
    """They keep nobody out for longer than a connection may last."""
    port = MetricsPort(open_listener("inet:127.0.0.1:0"), Log.null(), metrics.render, connection_s=0.5)
    try:
        with ExitStack() as silent:
            for _ in range(MAX_CONNECTIONS - 1):
                silent.enter_context(connect(port)).sendall(b"GET")
            assert say(port, GET).startswith(b"HTTP/1.1 200")
            for _ in range(MAX_CONNECTIONS):
                silent.enter_context(connect(port)).sendall(b"GET")
            deadline = time.monotonic() + 20
            while not say(port, GET):
                assert time.monotonic() < deadline
    finally:
        port.close()


def test_a_page_that_cannot_be_made_is_logged_and_the_next_is_tried() -> None:
    lines: list[str] = []
    good = False

    def render(accept: str) -> tuple[bytes, str]:
        if not good:
            raise UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed")
        return b"fine\n", "text/plain"

    port = start_metrics("127.0.0.1:0", Log(lines.append), render)
    assert port is not None
    try:
        for _ in range(MAX_CONNECTIONS + 1):
            assert say(port, GET) == b""
        good = True
        assert say(port, GET).endswith(b"fine\n")
    finally:
        port.close()
    assert 'event="metrics cannot be rendered"' in lines[0]


def test_the_port_is_free_again_and_no_descriptor_stays() -> None:
    before = len(os.listdir("/proc/self/fd"))
    address = "127.0.0.1:0"
    for _ in range(5):
        port = start_metrics(address, Log.null())
        assert port is not None
        assert say(port, GET)
        address = port.address
        port.close()
    deadline = time.monotonic() + 30
    while len(os.listdir("/proc/self/fd")) > before:
        assert time.monotonic() < deadline


def test_a_port_that_is_taken_is_a_sentence_and_no_address_is_no_port(port: MetricsPort) -> None:
    with pytest.raises(ConfigError, match=f"metrics: {port.address}: Address already in use"):
        start_metrics(port.address, Log.null())
    with pytest.raises(ConfigError, match=r"metrics: 9417: must name an IP address"):
        start_metrics("9417", Log.null())
    assert start_metrics("", Log.null()) is None


def test_a_port_for_other_machines_is_warned_of() -> None:
    lines: list[str] = []
    port = start_metrics("0.0.0.0:0", Log(lines.append))
    assert port is not None
    port.close()
    assert 'level=warning event="other machines may read the metrics"' in lines[0]


PREFORK = """
import os, sys, urllib.request
from tamis import metrics
from tamis.log import Log
from tamis.service import start_metrics

metrics.declare_program("milter")
port = start_metrics("127.0.0.1:0", Log.null())
for slot in range(2):
    pid = os.fork()
    if not pid:
        metrics.become_worker(slot)
        port.close()
        metrics.observe_milter_message("accept", 0.1, 1000)
        os._exit(0)
    os.waitpid(pid, 0)
page = urllib.request.urlopen(f"http://{port.address}/metrics").read().decode()
print([line for line in page.splitlines() if line.startswith('tamis_milter_messages_total{action="accept"}')])
port.close()
"""


def test_a_parent_serves_what_its_workers_counted(tmp_path: Path) -> None:
    """Children let go of the port, and it stays the parent's."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PREFORK],
        env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == """['tamis_milter_messages_total{action="accept"} 2.0']\n"""
