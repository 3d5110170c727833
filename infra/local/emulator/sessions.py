"""Sessions for tests: of a function's own role, and ones that have expired.

A function's role trusts Lambda alone, so nobody can assume it to try its permissions; and the emulator forgets an
expired session, after which its key is an unknown one instead of an expired one.
"""

import secrets
import time
from datetime import timedelta

from ministack.core.responses import get_account_id
from ministack.services import iam, sts

from infra.local.emulator import patching


class NoSuchRole(ValueError):
    """A session was asked for a role that does not exist."""


def open_session(role: str, *, valid: timedelta) -> dict[str, str]:
    """Credentials of a role's session, ended already when `valid` is negative."""
    account = get_account_id()
    if iam._roles.get_scoped(account, None, role) is None:  # noqa: SLF001 - the emulator's own store
        raise NoSuchRole(f"there is no role {role}")
    access_key = f"ASIA{secrets.token_hex(8).upper()}"
    secret, token, name = secrets.token_hex(32), secrets.token_hex(64), "local-session"
    arn = f"arn:aws:sts::{account}:assumed-role/{role}/{name}"
    patching.original(sts, "register_session")(
        access_key,
        {
            "Arn": arn,
            "UserId": f"AROA{role}:{name}",
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": time.time() + valid.total_seconds(),
        },
    )
    return {"accessKeyId": access_key, "secretAccessKey": secret, "sessionToken": token, "arn": arn}


def install() -> None:
    """Keep expired sessions, so that their use is answered as on AWS: the token is expired."""
    patching.replace(sts, "_evict_expired_sessions", lambda: None)
