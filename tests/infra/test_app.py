import pytest
from aws_cdk import App

from infra.app import run


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
