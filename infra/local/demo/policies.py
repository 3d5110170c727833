"""The demo's policies: a denial and why, a change that works at once, and what taking it back would change."""

import time
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from infra.local.demo.cast import ENVIRONMENT, PATH, VALUES, Cast
from infra.local.demo.show import Step, expect, seconds
from infra.local.options import role_arn
from infra.local.requests import Answer, Region

_POLICY: Final = "demo-stranger"
_NOBODY: Final = 'forbid(principal, action == Action::"policy:write", resource);'
_ARRIVES_WITHIN: Final = timedelta(seconds=30)
_PAUSE: Final = timedelta(milliseconds=200)


class Policies:
    """Somebody without a role is denied, is given one, and loses it again."""

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self._cloud = cast.cloud
        self._show = cast.show
        self._principal = f"iam:{role_arn('stranger')}"

    def tell(self) -> None:
        """The chapter; it ends as it began."""
        writer, replica = self._cloud.writer, self._cloud.replica
        self._show.chapter("Decide who may read")
        with self._show.step("a caller without a role reads") as step:
            denied = self._read(writer)
            self._cast.check_refused(denied, HTTPStatus.FORBIDDEN, "access_denied", step)
        with self._show.step("explain the denial to the security team") as step:
            self._explain(denied.headers["x-request-id"], step)
        with self._show.step("an administrator binds the role of a reader") as step:
            bound = {"role": "reader", "principal": self._principal, "environment": ENVIRONMENT, "prefix": PATH}
            put = self._ask("PUT", f"/policies/{_POLICY}", bound, identity="administrator")
            expect(put.status == HTTPStatus.OK, f"it answered {put.status} {put.error_code or ''}")
            step.detail = f"revision {put.json()['revision']} is in force"
        with self._show.step(f"the same caller reads at once in {writer.name}") as step:
            self._cast.check_value(self._read(writer), writer)
            step.detail = "the value is right"
        with self._show.step(f"and in {replica.name}, once the policy has arrived there") as step:
            waited = self._wait(lambda: self._read(replica).status == HTTPStatus.OK)
            self._cast.check_value(self._read(replica), replica)
            step.detail = f"within {seconds(waited).strip()}"
        with self._show.step("replay what was asked today as if the policy were taken back") as step:
            self._replay(step)
        with self._show.step("the administrator takes it back") as step:
            removed = self._ask("DELETE", f"/policies/{_POLICY}", identity="administrator")
            expect(removed.status == HTTPStatus.OK, f"it answered {removed.status} {removed.error_code or ''}")
            self._cast.check_refused(self._read(writer), HTTPStatus.FORBIDDEN, "access_denied", step)
        with self._show.step("a policy after which nobody could change policies") as step:
            refused = self._ask("PUT", f"/policies/{_POLICY}", {"cedar": _NOBODY}, identity="administrator")
            self._cast.check_refused(refused, HTTPStatus.CONFLICT, "conflict", step)

    def _explain(self, request_id: str, step: Step) -> None:
        path = f"/policies/explain/{request_id}"
        self._wait(lambda: self._ask("GET", path, identity="security").status == HTTPStatus.OK)
        (denial,) = self._ask("GET", path, identity="security").json()["denials"]
        expect(denial["actor"] == self._principal, "another request was explained")
        needed = denial["neededBinding"]
        expect(needed["role"] == "reader", "another role was said to be needed")
        step.detail = f"{denial['permissions'][0]} on {ENVIRONMENT}/{PATH} needs {needed['role']}"

    def _replay(self, step: Step) -> None:
        changed: list[dict[str, Any]] = []

        def seen() -> bool:
            changed[:] = self._changed_by({"policies": {_POLICY: None}, "days": 1})
            return any(it["recorded"]["decision"] == "ALLOW" for it in changed)

        self._wait(seen)
        lost = [it for it in changed if it["recorded"]["decision"] == "ALLOW"]
        expect(all(it["proposed"]["decision"] == "DENY" for it in lost), "a decision is not the one that was expected")
        step.detail = f"{len(lost)} reads that were allowed would be denied"

    def _changed_by(self, proposal: dict[str, Any]) -> list[dict[str, Any]]:
        """What would change for the caller, from every page."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, Any] = {}
        while True:
            answer = self._ask("POST", "/policies/replay", {**proposal, **cursor})
            expect(answer.status == HTTPStatus.OK, f"the replay answered {answer.status} {answer.error_code or ''}")
            page = answer.json()
            found += [it for it in page["changed"] if it["actor"] == self._principal]
            if page["nextCursor"] is None:
                return found
            cursor = {"cursor": page["nextCursor"]}

    def _read(self, region: Region) -> Answer:
        return self._cloud.request("GET", VALUES, identity="stranger", region=region)

    def _ask(self, method: str, path: str, json: object = None, *, identity: str = "auditor") -> Answer:
        return self._cloud.request(method, path, json=json, identity=identity)

    def _wait(self, seen: Callable[[], bool]) -> timedelta:
        """Ask until it is seen; how long that took."""
        began = time.monotonic()
        while not seen():
            expect(time.monotonic() - began < _ARRIVES_WITHIN.total_seconds(), "it did not arrive in time")
            time.sleep(_PAUSE.total_seconds())
        return timedelta(seconds=time.monotonic() - began)
