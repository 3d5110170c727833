"""Paths, versions, tokens and keys are refused before anything is sent."""

import pytest

from strongroom import InvalidRequest
from strongroom.paths import check_idempotency_key, check_path, check_version, parse_token


@pytest.mark.parametrize(
    "path", ["prod/a", "prod/payments/db-password", "a-1/x_y.z/W", "p/" + "a" * 512, "p" + "/a" * 16]
)
def test_takes_what_the_server_takes(path: str) -> None:
    """A legal path is passed on as it is."""
    assert check_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "prod",
        "prod/",
        "/prod/a",
        "prod//a",
        "prod/a/",
        "Prod/a",
        "prod/./a",
        "prod/../a",
        "prod/a b",
        "prod/a%2Fb",
        "prod/a:b",
        "prod/a?x",
        "prod/a#x",
        "prod/ä",
        "prod/a\n",
        "prod/\ud800",
        "a" * 33 + "/x",
        "p/" + "a" * 513,
        "p" + "/a" * 17,
        None,
        7,
        b"prod/a",
    ],
)
def test_refuses_what_would_need_encoding_or_mean_another_path(path: object) -> None:
    """What the server refuses, or an intermediary might rewrite, is named without being repeated."""
    with pytest.raises(InvalidRequest) as caught:
        check_path(path)
    assert caught.value.violations[0].field == "path"
    assert caught.value.region is None
    if isinstance(path, str) and len(path) > 8:
        assert path not in str(caught.value)


@pytest.mark.parametrize("version", ["current", "previous", "next", "v1", "v12"])
def test_takes_versions(version: str) -> None:
    """Aliases and numbers are versions."""
    assert check_version(version) == version


@pytest.mark.parametrize("version", ["", "v0", "v", "3", "latest", "v1&x=y", None, 3])
def test_refuses_other_versions(version: object) -> None:
    """Anything else is refused."""
    with pytest.raises(InvalidRequest):
        check_version(version)


def test_tokens_compare_as_pairs() -> None:
    """Ten follows nine, and a later epoch follows all revisions."""
    assert parse_token("1.9") < parse_token("1.10") < parse_token("2.1")


@pytest.mark.parametrize("token", ["", "1", "1.", ".1", "a.b", "1.1.1", "-1.2", "1.٣", None, 1.5])
def test_refuses_other_tokens(token: object) -> None:
    """A token is two numbers joined by a point."""
    with pytest.raises(InvalidRequest):
        parse_token(token)


@pytest.mark.parametrize("key", ["short", "with space", "x" * 129, "nön-ascii", "line\nbreak-x", None])
def test_refuses_keys_that_a_header_cannot_carry(key: object) -> None:
    """An idempotency key cannot smuggle a header."""
    with pytest.raises(InvalidRequest):
        check_idempotency_key(key)
