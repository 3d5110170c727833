"""A secret's life as its callers see it, in the writer region and in the replica."""

import base64
import json
import secrets
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from infra.local.client import LocalCloud
from tests.cloud.platform import ENVIRONMENT, Platform


def test_a_promoted_value_is_read_in_every_region(cloud: LocalCloud, platform: Platform) -> None:
    stored = platform.store("made-up-value")
    for region in cloud.description.regions:
        answer = stored.read(region=region)
        assert answer.status == 200
        body = answer.json()
        assert (body["plaintextValue"], body["versionNumber"], body["alias"]) == ("made-up-value", 1, "current")
        assert body["region"] == region.name
        assert answer.headers["x-strongroom-region"] == region.name
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-request-id"]


def test_binary_and_generated_values(cloud: LocalCloud, platform: Platform) -> None:
    blob = bytes(range(256))
    path = f"/values/{ENVIRONMENT}/{platform.path()}"
    put = cloud.request("PUT", path, json={"plaintextBase64": base64.b64encode(blob).decode(), "ownerTeam": "payments"})
    assert put.status == 201
    for region in cloud.description.regions:
        body = cloud.request("GET", path, region=region).json()
        assert base64.b64decode(body["plaintextBase64"]) == blob
        assert "plaintextValue" not in body
    put = cloud.request("PUT", path, json={"generate": {"length": 40}, "expectedCurrent": 1})
    assert (put.status, put.json()["versionNumber"]) == (200, 2)
    assert len(cloud.request("GET", path, region=cloud.replica).json()["plaintextValue"]) == 40


def test_rollback_and_the_aliases(platform: Platform) -> None:
    stored = platform.store("first")
    second = stored.propose("second")
    assert stored.move("next", second, None).status == 200
    assert stored.read(version="next").json()["plaintextValue"] == "second"
    stored.promote(second, 1)
    assert stored.read(version="previous").json()["plaintextValue"] == "first"
    assert stored.read(version="next").status == 404
    stored.promote(1, second)
    assert stored.read().json()["plaintextValue"] == "first"
    assert stored.read(version="v2").json()["plaintextValue"] == "second"


def test_of_fifty_racing_promotes_one_wins(platform: Platform) -> None:
    """Each expects no current version; the others are told that their expectation is stale."""
    stored = platform.register()
    numbers = [stored.propose(f"candidate-{index}") for index in range(2)]
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda index: stored.move("current", numbers[index % 2], None), range(50)))
    codes = [answer.error_code for answer in answers]
    winners = [answer for answer in answers if answer.status == 200]
    assert len(winners) == 1, codes
    assert codes.count("stale_expectation") == 49, codes
    assert stored.read().json()["versionNumber"] == winners[0].json()["versionNumber"]


def test_the_winners_call_can_be_repeated(platform: Platform) -> None:
    stored = platform.register()
    number, key = stored.propose("made-up-value"), secrets.token_hex(8)
    first, again = (stored.move("current", number, None, key=key) for _ in range(2))
    assert (first.status, again.status) == (200, 200)
    assert first.json()["consistencyToken"] == again.json()["consistencyToken"]


def test_delete_restore_purge_and_register_again(cloud: LocalCloud, platform: Platform) -> None:
    stored = platform.store("made-up-value")
    assert cloud.request("DELETE", f"/secrets/{stored.secret_id}").status == 200
    assert stored.read().status == 404
    assert cloud.request("POST", f"/secrets/{stored.secret_id}/restore").status == 200
    assert stored.read().status == 200
    assert cloud.request("DELETE", f"/secrets/{stored.secret_id}").status == 200
    assert cloud.request("POST", f"/secrets/{stored.secret_id}/purge").status == 200
    again = platform.register(stored.path)
    assert again.secret_id != stored.secret_id
    assert again.propose("another") == 2
    assert again.read(version="v1").error_code == "version_destroyed"


def test_destroyed_values_are_nowhere_in_either_table(cloud: LocalCloud, platform: Platform) -> None:
    stored = platform.store("first")
    stored.promote(stored.propose("second"), 1)
    partition = f"S#default#{ENVIRONMENT}#{stored.path}"

    def blobs(region: str) -> int:
        items = cloud.aws("dynamodb", region).query(
            TableName="strongroom-local-secrets",
            KeyConditionExpression="PK = :pk",
            ExpressionAttributeValues={":pk": {"S": partition}},
        )["Items"]
        return json.dumps(items, default=lambda value: f"binary-{len(value)}").count("binary-")

    before = {region.name: blobs(region.name) for region in cloud.description.regions}
    stored.change(1, "destroy")
    for region in cloud.description.regions:
        # The envelope's message and wrapped key, in the head and in the version's own item.
        assert before[region.name] - blobs(region.name) == 4
        assert stored.read(region=region, version="v1").error_code == "version_destroyed"
        assert stored.read(region=region).json()["plaintextValue"] == "second"


def test_an_expired_version_is_gone(cloud: LocalCloud, platform: Platform) -> None:
    stored = platform.register()
    moment = datetime.now(UTC) + timedelta(seconds=2)
    stored.promote(stored.propose("made-up-value", expiresAt=moment.isoformat().replace("+00:00", "Z")), None)
    while stored.read().status == 200:
        assert datetime.now(UTC) < moment + timedelta(seconds=5)
    for region in cloud.description.regions:
        answer = stored.read(region=region)
        assert (answer.status, answer.error_code) == (410, "version_expired")


def test_a_batch_has_a_result_or_an_error_for_each_path(cloud: LocalCloud, platform: Platform) -> None:
    paths = [platform.store(f"value-{index}").path for index in range(3)]
    wanted = [{"secretPath": f"{ENVIRONMENT}/{path}"} for path in [*paths, platform.path()]]
    for region in cloud.description.regions:
        answer = cloud.request("POST", "/batch/values", json={"items": wanted}, identity="owner", region=region)
        assert answer.status == 200
        items = answer.json()["items"]
        assert [item["secretPath"] for item in items] == [item["secretPath"] for item in wanted]
        assert [item["value"]["plaintextValue"] for item in items[:3]] == ["value-0", "value-1", "value-2"]
        assert items[3]["error"]["code"] == "not_found"


def test_the_listing_pages_by_path_and_shows_no_value(cloud: LocalCloud, platform: Platform) -> None:
    paths = [platform.store("made-up-value").path for _ in range(5)]
    found: list[str] = []
    query = {"environment": ENVIRONMENT, "prefix": platform.prefix, "limit": "2"}
    while True:
        answer = cloud.request("GET", "/secrets", query=query)
        assert answer.status == 200
        assert b"made-up-value" not in answer.body
        found += [item["path"].removeprefix(f"{ENVIRONMENT}/") for item in answer.json()["items"]]
        if not answer.json().get("nextCursor"):
            break
        query["cursor"] = answer.json()["nextCursor"]
    assert found == sorted(paths)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_reads_a_value_in_each_region(cloud: LocalCloud, platform: Platform) -> None:
    stored, identity = platform.store("made-up-value"), cloud.identity("reader")
    for region in cloud.description.regions:
        command = [
            "curl", "--silent", "--aws-sigv4", f"aws:amz:{region.name}:execute-api",
            "--user", f"{identity.access_key_id}:{identity.secret_access_key}",
            "--header", f"x-amz-security-token: {identity.session_token}",
            f"{region.endpoint}/values/{ENVIRONMENT}/{stored.path}?version=current",
        ]  # fmt: skip
        answer = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - a command of this test
        assert json.loads(answer.stdout)["plaintextValue"] == "made-up-value"
