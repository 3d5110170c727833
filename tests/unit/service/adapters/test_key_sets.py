"""Published keys: fetched over TLS, seldom, and believed for an hour."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from strongroom_service.adapters.key_sets import PublishedKeys
from strongroom_service.domain.issuers import Issuer, IssuerKind
from strongroom_service.domain.public_keys import KeySet
from strongroom_service.domain.tokens import Reason, TokenRefused
from strongroom_service.usecases.ports import Metric
from tests.support.auditing import FakeMeasurements
from tests.support.https_issuer import PublishedDocument, https_issuer
from tests.support.issuers import ec_key, jwk, rsa_key

RSA, EC = jwk(rsa_key(), "one"), jwk(ec_key(), "two")


class Time:
    """Passes when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Setting:
    """An issuer whose keys are published, and who looks for them."""

    def __init__(self, document: PublishedDocument, trust: Any = None) -> None:
        self.document = document
        self.time = Time()
        self.measured = FakeMeasurements()
        self.keys = PublishedKeys(measurements=self.measured, trust=trust or document.trust, monotonic=self.time)
        self.issuer = Issuer(
            kind=IssuerKind.OIDC,
            name="https://issuer.example",
            audiences=frozenset({"strongroom"}),
            tenant="blue",
            jwks_uri=document.url,
        )

    def find(self, kid: object = "one", issuer: Issuer | None = None, issuer_id: str = "ci") -> str | Reason:
        """The id of the key that is found, or why there is none."""
        try:
            return self.keys.find(issuer_id, issuer or self.issuer, kid).kid or ""
        except TokenRefused as refused:
            return refused.reason


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    with https_issuer(tmp_path) as document:
        document.publish({"keys": [RSA]})
        made = Setting(document)
        yield made
        made.keys.close()


def test_keys_are_fetched_once_an_hour(setting: Setting) -> None:
    for _ in range(3):
        assert setting.find() == "one"
    setting.time.now += 3599
    assert setting.find() == "one"
    assert setting.document.asked == 1
    setting.time.now += 1
    assert setting.find() == "one"
    assert setting.document.asked == 2


def test_a_key_that_was_given_is_not_fetched(setting: Setting) -> None:
    given = replace(setting.issuer, jwks_uri=None, keys=KeySet.strictly({"keys": [EC]}))
    assert setting.find("two", given) == "two"
    assert setting.find("one", given) is Reason.UNKNOWN_KEY
    assert setting.document.asked == 0


def test_a_key_that_is_not_known_is_looked_for_once_a_minute(setting: Setting) -> None:
    """A storm of made-up ids makes no storm of requests, and locks nobody out."""
    assert setting.find() == "one"
    for number in range(200):
        assert setting.find(f"made-up-{number}") is Reason.UNKNOWN_KEY
        assert setting.find() == "one"
    assert setting.document.asked == 1
    setting.time.now += 60
    for number in range(200):
        setting.find(f"made-up-{number}")
    assert setting.document.asked == 2
    assert setting.measured.counts[Metric.KEY_SET_FETCHES] == 2


def test_a_renewed_key_is_found_within_a_minute(setting: Setting) -> None:
    assert setting.find() == "one"
    setting.document.publish({"keys": [RSA, EC]})
    assert setting.find("two") is Reason.UNKNOWN_KEY
    setting.time.now += 60
    assert setting.find("two") == "two"


def test_keys_are_not_believed_past_their_hour(setting: Setting) -> None:
    """When they cannot be fetched again, nobody is let in by them; it is tried again every ten seconds."""
    assert setting.find() == "one"
    setting.document.status = 503
    setting.time.now += 3600
    for _ in range(5):
        assert setting.find() is Reason.KEYS_UNAVAILABLE
    assert setting.document.asked == 2
    setting.time.now += 10
    assert setting.find() is Reason.KEYS_UNAVAILABLE
    assert setting.document.asked == 3
    assert setting.measured.counts[Metric.KEY_SET_FAILURES] == 2
    setting.document.status = 200
    setting.time.now += 10
    assert setting.find() == "one"


def test_a_refresh_that_fails_leaves_what_is_believed(setting: Setting) -> None:
    """Within the hour an issuer that does not answer locks nobody out."""
    assert setting.find() == "one"
    setting.document.status = 500
    setting.time.now += 60
    assert setting.find("two") is Reason.UNKNOWN_KEY
    assert setting.find() == "one"
    assert setting.document.asked == 2


def test_a_key_that_was_withdrawn_is_gone_after_the_hour(setting: Setting) -> None:
    assert setting.find() == "one"
    setting.document.publish({"keys": [EC]})
    setting.time.now += 3600
    assert setting.find() is Reason.UNKNOWN_KEY


def test_an_issuer_that_was_changed_begins_anew(setting: Setting) -> None:
    """What was fetched for the entry as it was says nothing about the entry as it is; nor for another one."""
    assert setting.find() == "one"
    assert setting.find(issuer=replace(setting.issuer, tenant="green")) == "one"
    assert setting.find(issuer_id="another") == "one"
    assert setting.document.asked == 3


def test_many_at_once_fetch_once(setting: Setting) -> None:
    setting.document.drip_seconds = 0.2
    found: list[str | Reason] = []
    threads = [threading.Thread(target=lambda: found.append(setting.find())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["one"] * 8
    assert setting.document.asked == 1


BAD: dict[str, dict[str, Any]] = {
    "a redirect": {"status": 302, "headers": {"Location": "https://127.0.0.1:1/keys"}},
    "not found": {"status": 404},
    "no JSON": {"body": b"<html>"},
    "no key set": {"body": b'{"keys": 7}'},
    "deep nesting": {"body": b"[" * 100_000},
    "too long": {"body": b'{"keys": []}' + b" " * 300_000},
    "too many keys": {"body": b'{"keys": [' + b",".join([b"1"] * 101) + b"]}"},
    "no text": {"body": b"\xff\xfe"},
}


@pytest.mark.parametrize("name", BAD)
def test_answers_that_are_no_keys(setting: Setting, name: str) -> None:
    for field, value in BAD[name].items():
        setattr(setting.document, field, value)
    assert setting.find() is Reason.KEYS_UNAVAILABLE
    assert setting.measured.counts[Metric.KEY_SET_FAILURES] == 1
    assert setting.document.asked == 1


def test_an_answer_that_never_ends_is_given_up(setting: Setting) -> None:
    setting.document.drip_seconds = 5
    assert setting.find() is Reason.KEYS_UNAVAILABLE


def test_a_certificate_that_nobody_vouches_for(setting: Setting) -> None:
    """The authorities of the system, unless a test brings its own."""
    stranger = PublishedKeys(measurements=setting.measured, monotonic=setting.time)
    with pytest.raises(TokenRefused) as refused:
        stranger.find("ci", setting.issuer, "one")
    assert refused.value.reason is Reason.KEYS_UNAVAILABLE
    assert setting.document.asked == 0


def test_keys_are_never_fetched_in_the_clear(setting: Setting) -> None:
    """Such an address cannot be registered; if it stood there all the same, it would not be asked."""
    clear = replace(setting.issuer, jwks_uri=setting.document.url.replace("https:", "http:"))
    assert setting.find(issuer=clear) is Reason.KEYS_UNAVAILABLE
    assert setting.document.asked == 0


def test_only_so_many_issuers_are_remembered(setting: Setting) -> None:
    for number in range(65):
        setting.find(issuer_id=f"i{number}")
    assert len(setting.keys._published) == 64
