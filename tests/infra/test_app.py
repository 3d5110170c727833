from pathlib import Path

import pytest
from aws_cdk import App

from infra.app import run
from tests.infra.synthesized import ACCOUNT, ONE_REGION, synthesize


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({}, "error: option strongroom: must be in the context"),
        ({"strongroom": {"stage": "UP"}}, "error: option strongroom.stage: must be 1 to 12"),
    ],
)
def test_a_wrong_option_is_one_line_and_no_template(
    context: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The CDK's command line shows what the application wrote: no traceback of ours."""
    monkeypatch.setenv("CDK_DEFAULT_ACCOUNT", "111122223333")
    assert run(App(context=context)) == 1
    written = capsys.readouterr().err
    assert written.startswith(message)
    assert written.count("\n") == 1


@pytest.mark.parametrize("names_one", [False, True])
def test_a_tenant_without_administrator_is_a_warning(tmp_path: Path, *, names_one: bool) -> None:
    """The deployment works, and its policies stay what the options say: whoever deploys must have meant it."""
    roles = [{"principal": f"arn:aws:iam::{ACCOUNT}:role/me", "role": "administrator", "tenant": "default"}]
    application = synthesize({**ONE_REGION, "roles": roles if names_one else []}, tmp_path)
    data = application.stacks["Strongroom-solo-Data"]
    said = [entry["data"] for entries in application.metadata(data).values() for entry in entries]
    warnings = [text for text in said if "administrator" in str(text)]
    assert len(warnings) == (0 if names_one else 1)
    assert names_one or "default" in warnings[0]
