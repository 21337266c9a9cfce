"""One form of address for a lakehouse, which Spark, pyarrow and deltalake all understand.

| address | means |
|---|---|
| `lake`, `/srv/lake`, `file:/srv/lake`, `file:///srv/lake` | a folder, of this machine or mounted by every one |
| `s3://bucket/lake` (`s3a://` and `s3n://` are the same) | S3, or what speaks its protocol at `AWS_ENDPOINT_URL` |
| `abfss://container@account.dfs.core.windows.net/lake` | Azure Data Lake Storage |
| `gs://bucket/lake` | Google Cloud Storage |
| `dbfs:/lake`, `hdfs://host/lake` | passed on as they are |

Credentials and endpoints are environment variables by the names that the clouds gave them (`AWS_...`, `AZURE_...`,
`GOOGLE_...`): the environment's own, or those of `[lakehouse] storage_options`, which go there. So they reach every
process that works on the lakehouse and stand in no table, no log and no pickled task.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import unquote, urlparse

import pyarrow.fs as pafs

from lakehouse.errors import ConfigError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
_ALIASES = {"s3a": "s3", "s3n": "s3"}
_STORES = ("s3", "abfss", "gs")
_PASSED_ON = ("dbfs", "hdfs")
_OPTION = re.compile(r"(AWS|AZURE|GOOGLE)_[A-Z0-9_]+")
_given: dict[str, str] = {}


def normal(uri: str) -> str:
    """The one form of an address: an absolute path for a local folder, else `scheme://...` without a last slash.

    Raises ConfigError for a scheme that no engine here knows, and for a store without a bucket.
    """
    found = _SCHEME.match(uri)
    if not found and not uri.startswith("file:"):
        return os.path.abspath(uri)
    scheme = found.group(1).lower() if found else "file"
    scheme = _ALIASES.get(scheme, scheme)
    if scheme == "file":
        return os.path.abspath(unquote(urlparse(uri).path))
    rest = uri.split(":", 1)[1].rstrip("/")
    if scheme not in (*_STORES, *_PASSED_ON):
        raise ConfigError(
            f"a lakehouse is a folder, file:///..., s3://..., abfss://... or gs://...; found the scheme {scheme!r}"
        )
    if scheme in _STORES and not rest.strip("/"):
        raise ConfigError(f"expected {scheme}://bucket/folder, found {uri!r}")
    return f"{scheme}:{rest}"


def is_local(uri: str) -> bool:
    """Whether a `normal` address is a folder."""
    return not _SCHEME.match(uri)


def for_spark(uri: str) -> str:
    """A `normal` address as Spark wants it: Hadoop knows S3 as s3a alone."""
    return f"s3a{uri.removeprefix('s3')}" if uri.startswith("s3://") else uri


def storage_options(uri: str) -> dict[str, str] | None:
    """What deltalake needs beside the environment, which it reads itself: that http is meant where http is said."""
    is_plain = uri.startswith("s3://") and os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
    return {"AWS_ALLOW_HTTP": "true"} if is_plain else None


def filesystem_of(uri: str) -> tuple[pafs.FileSystem, str]:
    """pyarrow's file system of an address and the path there."""
    uri = normal(uri)
    if is_local(uri):
        return pafs.LocalFileSystem(), uri
    parts = urlparse(uri)
    endpoint, region = os.environ.get("AWS_ENDPOINT_URL"), _region()
    if parts.scheme == "s3" and (endpoint or region):
        key = os.environ.get("AWS_ACCESS_KEY_ID")
        return _s3(endpoint, region or "us-east-1", key), f"{parts.netloc}{parts.path}"
    if parts.scheme == "abfss" and os.environ.get("AZURE_STORAGE_ACCOUNT_KEY"):
        account = (parts.hostname or "").split(".")[0]
        key = os.environ["AZURE_STORAGE_ACCOUNT_KEY"]
        return pafs.AzureFileSystem(account_name=account, account_key=key), f"{parts.username}{parts.path}"
    return pafs.FileSystem.from_uri(uri)


@lru_cache(maxsize=4)
def _s3(endpoint: str | None, region: str, _key: str | None) -> pafs.FileSystem:
    """One client, and so one pool of connections, for all files that a process reads."""
    return pafs.S3FileSystem(endpoint_override=endpoint, region=region)


def _region() -> str | None:
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")


def use_storage_options(options: Mapping[str, str]) -> None:
    """Put the settings' storage options into this process's environment, where every engine looks for them.

    Raises ConfigError for a name that is no cloud's variable; the value is never shown.
    """
    unknown = sorted(name for name in options if not _OPTION.fullmatch(name))
    if unknown:
        raise ConfigError(
            f"lakehouse.storage_options {unknown} are not known; expected the clouds' own environment variables, such "
            "as AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AZURE_STORAGE_ACCOUNT_KEY"
        )
    _given.update(options)
    os.environ.update(options)


def given_options() -> dict[str, str]:
    """The settings' storage options, for processes on other machines: they do not inherit this one's environment."""
    return dict(_given)


def hadoop_options(uri: str) -> dict[str, str]:
    """Spark's settings for a store, but for credentials, which its JVMs find in their environment."""
    if uri.startswith("abfss://") and os.environ.get("AZURE_STORAGE_ACCOUNT_KEY"):
        host = urlparse(uri).hostname
        return {f"spark.hadoop.fs.azure.account.key.{host}": os.environ["AZURE_STORAGE_ACCOUNT_KEY"]}
    if not uri.startswith("s3://"):
        return {}
    options = {"spark.hadoop.fs.s3a.input.stream.type": "classic"}  # the default one wants a jar of its own
    region, endpoint = _region(), os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        options["spark.hadoop.fs.s3a.endpoint"] = endpoint
        options["spark.hadoop.fs.s3a.path.style.access"] = "true"
        options["spark.hadoop.fs.s3a.connection.ssl.enabled"] = str(endpoint.startswith("https://")).lower()
        region = region or "us-east-1"
    if region:
        options["spark.hadoop.fs.s3a.endpoint.region"] = region
    return options
