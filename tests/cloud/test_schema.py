"""Any request that the interface's document allows, and any that it forbids: answered as it says, never by a 5xx.

Requests are generated from the document by schemathesis. `STRONGROOM_EXAMPLES` makes it try more of each kind.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core.result import Ok

from infra.local.client import LocalCloud
from strongroom_service.entry import api
from tests.cloud.platform import ENVIRONMENT, VALUE, Platform, Stored

EXAMPLES = int(os.environ.get("STRONGROOM_EXAMPLES", "50"))
DOCUMENT = json.loads((Path(api.__file__).parent / "openapi.json").read_text())
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = {result.ok().label: result.ok() for result in SCHEMA.get_all_operations() if isinstance(result, Ok)}
CASES = [
    (label, mode)
    for label, operation in OPERATIONS.items()
    for mode in GenerationMode
    # Without parameters and body there is nothing to get wrong.
    if mode is GenerationMode.POSITIVE or {"parameters", "requestBody"} & set(operation.definition.raw)
]
DOCUMENTED: list[Any] = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)
ECHO = 6
"""Characters from which on a text that was sent and comes back is no coincidence."""


@pytest.fixture(scope="module")
def stored(local_cloud: LocalCloud) -> list[Stored]:
    """Secrets in different states: what a generated request may meet."""
    platform = Platform(local_cloud)
    current = platform.store(VALUE)
    several = platform.store(VALUE)
    several.promote(several.propose(VALUE), 1)
    several.propose(VALUE)
    several.change(1, "disable")
    return [current, several, platform.register()]


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        yield opened


def send(cloud: LocalCloud, session: requests.Session, case: Case[Any]) -> requests.Response:
    """Send a generated request to the writer region, signed as its owner."""
    wanted = requests.Request(**{
        name: value
        for name, value in case.as_transport_kwargs(base_url=cloud.writer.endpoint).items()
        if name in {"method", "url", "headers", "params", "json", "data", "cookies"}
    }).prepare()  # fmt: skip
    owner = cloud.identity("owner")
    signed = AWSRequest(method=wanted.method, url=wanted.url, data=wanted.body or b"")
    credentials = Credentials(owner.access_key_id, owner.secret_access_key, owner.session_token)
    SigV4Auth(credentials, "execute-api", cloud.writer.name).add_auth(signed)
    wanted.headers.update(dict(signed.headers.items()))
    return session.send(wanted, timeout=30, allow_redirects=False)


def texts(value: object) -> Iterator[str]:
    """Every text in a generated body, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, entry in value.items():
            yield str(name)
            yield from texts(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from texts(entry)


def known_names() -> frozenset[str]:
    """What an answer may say of itself: names of fields, rules, codes."""
    return frozenset(texts(DOCUMENT))


KNOWN = " ".join(known_names())


def aim(case: Case[Any], target: Stored) -> None:
    """Point a request at a secret that exists."""
    parameters: dict[str, Any] = case.path_parameters
    if "secretId" in parameters:
        parameters["secretId"] = target.secret_id
    if "path" in parameters:
        parameters |= {"environment": ENVIRONMENT, "path": target.path}


@pytest.mark.parametrize(("label", "mode"), CASES, ids=lambda it: it if isinstance(it, str) else it.value)
def test_any_request_is_answered_as_documented(
    cloud: LocalCloud, session: requests.Session, stored: list[Stored], label: str, mode: GenerationMode
) -> None:
    @settings(
        max_examples=EXAMPLES,
        derandomize="STRONGROOM_EXAMPLES" not in os.environ,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=OPERATIONS[label].as_strategy(generation_mode=mode),
        target=st.none() | st.sampled_from(stored),
    )
    def answered(case: Case[Any], target: Stored | None) -> None:
        if target is not None and mode is GenerationMode.POSITIVE:
            aim(case, target)
        response = send(cloud, session, case)
        case.validate_response(response, checks=DOCUMENTED)
        if not response.ok:
            echoed = [it for it in texts(case.body) if len(it) >= ECHO and it in response.text and it not in KNOWN]
            assert not echoed, "the answer quotes the request"

    answered()
