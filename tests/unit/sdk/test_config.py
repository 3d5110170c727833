"""Regions and identity come from arguments, the environment or a file, in that order."""

import json
import traceback
from pathlib import Path

import pytest

from strongroom import Client, ConfigurationError, Region
from strongroom.config import Deployment, find_deployment

EAST = Region(name="us-east-1", endpoint="https://east.example/v1")
CLOUD = {
    "regions": [
        {"name": "us-east-1", "role": "writer", "endpoint": "http://127.0.0.1:4566/v1", "hostHeader": "api.localhost"},
        {"name": "us-west-2", "role": "replica", "endpoint": "http://127.0.0.1:4567/v1/", "hostHeader": None},
    ],
    "identities": {
        "reader": {"accessKeyId": "AK", "secretAccessKey": "canary-sk", "sessionToken": "canary-st", "arn": "arn:x"}
    },
    "aws": {"endpoint": "http://127.0.0.1:4566"},
}


@pytest.fixture
def cloud(tmp_path: Path) -> Path:
    path = tmp_path / "cloud.json"
    path.write_text(json.dumps(CLOUD))
    return path


def find(environment: dict[str, str] | None = None, **given: object) -> Deployment:
    options: dict[str, object] = {"regions": None, "config_file": None, "identity": None, "tenant": None, **given}
    return find_deployment(**options, environment=environment or {})  # type: ignore[arg-type]  # loose on purpose


def names(deployment: Deployment) -> list[str]:
    return [region.name for region in deployment.regions]


def test_reads_the_file_of_the_local_cloud(cloud: Path) -> None:
    """The file that `make up` writes is a configuration: order, writer, host header and identity."""
    found = find(config_file=cloud, identity="reader")
    assert names(found) == ["us-east-1", "us-west-2"]
    assert [region.writer for region in found.regions] == [True, False]
    assert found.regions[0].host_header == "api.localhost"
    assert found.regions[1].endpoint == "http://127.0.0.1:4567/v1"
    assert found.credentials is not None
    assert found.credentials.access_key == "AK"
    assert "canary" not in repr(found)


def test_the_environment_alone_configures_a_client() -> None:
    """Pairs of name and endpoint are ordered regions."""
    found = find({"STRONGROOM_REGIONS": "eu-west-1=https://a.example/v1, us-east-1=https://b.example/v1"})
    assert names(found) == ["eu-west-1", "us-east-1"]


def test_the_environment_picks_and_orders_the_regions_of_a_file(cloud: Path) -> None:
    """Bare names mean regions of the file, which keep their role."""
    found = find({"STRONGROOM_REGIONS": "us-west-2,us-east-1", "STRONGROOM_CONFIG": str(cloud)})
    assert names(found) == ["us-west-2", "us-east-1"]
    assert [region.writer for region in found.regions] == [False, True]


def test_arguments_win_over_the_environment(cloud: Path) -> None:
    """What the program says counts."""
    environment = {"STRONGROOM_REGIONS": "eu-west-1=https://a.example/v1", "STRONGROOM_TENANT": "other"}
    assert names(find(environment, regions=[EAST])) == ["us-east-1"]
    assert names(find(environment, config_file=cloud)) == ["us-east-1", "us-west-2"]
    assert find(environment, regions=[EAST], tenant="mine").tenant == "mine"
    assert find(environment).tenant == "other"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"regions": 7}',
        '{"regions": "us-east-1"}',
        '{"regions": [7]}',
        '{"regions": [{"name": "us-east-1"}]}',
        '{"regions": []}',
        '{"regions": [{"name": "us-east-1", "endpoint": "https://x", "hostHeader": 5}]}',
        "\udcff",
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, content: str) -> None:
    """The error says what is wrong, and is typed."""
    path = tmp_path / "config.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ConfigurationError):
        find(config_file=path)


def test_a_broken_file_leaves_no_credentials_in_the_error(tmp_path: Path) -> None:
    """The parser's error holds the whole text; ours is not connected with it."""
    path = tmp_path / "config.json"
    path.write_text('{"identities": {"a": {"secretAccessKey": "canary-sk"}}')
    with pytest.raises(ConfigurationError) as caught:
        find(config_file=path)
    assert caught.value.__context__ is None
    assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_missing_things_are_named(tmp_path: Path, cloud: Path) -> None:
    """No region, no file, no such identity, no endpoint, one region twice."""
    with pytest.raises(ConfigurationError, match="STRONGROOM_REGIONS"):
        find()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        find(config_file=tmp_path / "none.json")
    with pytest.raises(ConfigurationError, match="identity"):
        find(config_file=cloud, identity="nobody")
    with pytest.raises(ConfigurationError, match="without endpoint"):
        find({"STRONGROOM_REGIONS": "us-east-1"})
    with pytest.raises(ConfigurationError, match="twice"):
        find(regions=[EAST, EAST])


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://example.com/v1",
        "ftp://example.com",
        "https://",
        "https://user:canary@example.com/v1",
        "example.com",
        "https://example.com/v1?x=1",
        "https://example.com/a b",
        "https://example.com:x/v1",
        "https://[::1/v1",
        "",
        "https://example.com/%2F",
    ],
)
def test_endpoints_that_would_leak_or_confuse_are_refused(endpoint: str) -> None:
    """Plain HTTP over a network, credentials in the URL, and paths that need encoding are refused unrepeated."""
    with pytest.raises(ConfigurationError) as caught:
        Region(name="us-east-1", endpoint=endpoint)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:8/v1", "http://localhost:8/v1", "http://[::1]:8", "http://a.localhost/v1"]
)
def test_plain_http_is_for_loopback(endpoint: str) -> None:
    """The local cloud needs no certificates."""
    assert Region(name="us-east-1", endpoint=endpoint).endpoint == endpoint


@pytest.mark.parametrize(("name", "host"), [("US", None), ("us-east-1\n", None), ("us-east-1", "a\r\nx: y")])
def test_names_and_host_headers_are_checked(name: str, host: str | None) -> None:
    """Neither can smuggle a header."""
    with pytest.raises(ConfigurationError):
        Region(name=name, endpoint="https://example.com", host_header=host)


def test_a_client_from_a_file(cloud: Path) -> None:
    """`from_file` takes the options of the constructor."""
    with Client.from_file(cloud, identity="reader") as client:
        assert repr(client) == "Client(regions=['us-east-1', 'us-west-2'])"
