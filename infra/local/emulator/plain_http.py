"""Loopback counts as a secure transport, so that bucket policies which deny plain HTTP stay as they are deployed.

`cdk bootstrap` and the audit archive both deny requests without TLS (`aws:SecureTransport`). On AWS that rule holds;
here every listener is bound to loopback, where no one is between the caller and the emulator.
"""

from ministack import app

from infra.local.emulator import patching


def install() -> None:
    """Tell the policy evaluation that each request came over TLS."""
    pin_origin = patching.original(app, "pin_request_origin")

    def pin_secure_origin(source_ip: str, _secure: bool) -> None:  # noqa: FBT001 - MiniStack's own signature
        pin_origin(source_ip, True)

    patching.replace(app, "pin_request_origin", pin_secure_origin)
