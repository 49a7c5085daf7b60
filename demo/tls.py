"""tls - a self-signed certificate for the loopback interface, made with the openssl command."""

from __future__ import annotations

import subprocess
from pathlib import Path

from demo.daemons import HouseError
from demo.layout import HOST, HOSTNAME


def make_certificate(certificate: Path, key: Path) -> None:
    """Write both as PEM, valid for a week. Raises HouseError."""
    result = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "7", "-subj", f"/CN={HOSTNAME}", "-addext",
         f"subjectAltName=DNS:{HOSTNAME},DNS:localhost,IP:{HOST}",
         "-addext", "basicConstraints=critical,CA:FALSE",
         "-keyout", str(key), "-out", str(certificate)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if result.returncode:
        raise HouseError(f"openssl cannot make a certificate:\n{result.stderr}")
    key.chmod(0o600)
