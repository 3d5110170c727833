"""Every limit and name pattern of the platform, each in one place.

Source: the limits of the data model; DynamoDB's item limit is 400 KB
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html).
"""

from datetime import timedelta
from typing import Final

MAX_VALUE_BYTES: Final = 64 * 1024
"""One secret value. Three aliased envelopes of this size stay below half of DynamoDB's 400 KB item."""

NAMESPACE_PATTERN: Final = r"^[a-z0-9-]{1,32}$"
"""A tenant or an environment."""

PATH_PATTERN: Final = r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$"
"""Characters of a path; `.` and `..` as whole segments are refused besides."""

MAX_PATH_LENGTH: Final = 512
MAX_PATH_SEGMENTS: Final = 16

OWNER_TEAM_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9 ._@/-]{0,127}$"
ROTATION_STRATEGY_PATTERN: Final = r"^(manual|automated-[1-9][0-9]{0,2}d)$"
MAX_DESCRIPTION_LENGTH: Final = 1024
MAX_TAGS: Final = 20
TAG_KEY_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9 ._:/=+@-]{0,63}$"
MAX_TAG_VALUE_LENGTH: Final = 256

SECRET_ID_PATTERN: Final = r"^sec_[0-9a-f-]{8,40}$"
CLIENT_TOKEN_PATTERN: Final = r"^[\x21-\x7e]{8,128}$"
"""An Idempotency-Key: printable ASCII without spaces. Shorter ones would meet each other."""
MAX_CLIENT_TOKENS: Final = 16
"""Client tokens remembered per secret; the oldest leaves first."""

MAX_KEPT_VERSIONS: Final = 100
PRUNE_MIN_AGE: Final = timedelta(hours=24)
"""A version younger than this is never pruned."""

MIN_RESTORE_DAYS: Final = 7
MAX_RESTORE_DAYS: Final = 30

MAX_GENERATED_LENGTH: Final = 4096
MIN_GENERATED_LENGTH: Final = 8
MIN_ALPHABET: Final = 10
"""Fewest different characters of a custom alphabet: digits alone are the poorest that is let through."""
MAX_ALPHABET: Final = 256

MAX_BATCH_ITEMS: Final = 50
MAX_RESPONSE_BYTES: Final = 4 * 1024 * 1024
"""An encoded batch answer. Lambda's own limit is 6 MB."""
BATCH_ITEM_BYTES: Final = 2048
"""What an item of a batch answer takes beside its value, at most: names, token, receipt, or an error."""
MAX_ENCODED_BYTES_PER_BYTE: Final = 7
"""A byte of a value at its worst: a control character escaped by JSON, within JSON that Lambda escapes once more."""

DEFAULT_PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 100

DEFAULT_REWRAP_SECRETS: Final = 25
MAX_REWRAP_SECRETS: Final = 100
"""Secrets that one call looks at to re-wrap them."""
REWRAP_BUDGET: Final = timedelta(seconds=5)
"""A call begins no further secret after this. The function may run for 15 s, and the last secret may be a large one."""
MAX_REWRAP_VERSIONS: Final = 40
MAX_REWRAP_BYTES: Final = 256 * 1024
"""What one transaction re-wraps. All of a secret's items lie in one partition, which takes about 1 MB of writes a
second, those of transactions counting twice; the head is written besides."""

POLICY_ID_PATTERN: Final = r"[a-z0-9][a-z0-9._-]{0,63}"
POLICY_ID_RULE: Final = "must be 1 to 64 of a-z, 0-9, dot, underscore and hyphen, beginning with a letter or digit"
GROUP_PATTERN: Final = POLICY_ID_PATTERN
GROUP_RULE: Final = POLICY_ID_RULE
MAX_POLICIES: Final = 500
MAX_POLICY_LENGTH: Final = 10_000
"""Characters of one policy in Cedar."""
MAX_GROUPS: Final = 500
MAX_GROUP_MEMBERS: Final = 1_000
MAX_PRINCIPAL_LENGTH: Final = 512
PRINCIPAL_PATTERN: Final = (
    r"(iam:arn:aws[a-z-]*:iam::[0-9]{12}:(role/[A-Za-z0-9_+=,.@-]{1,64}|user/[A-Za-z0-9_+=,.@/-]{1,512}|root)"
    r"|oidc:https://[^\s#]+#[^\x00-\x1f\x7f]+|spiffe://[a-z0-9._-]+(/[A-Za-z0-9._-]+)+)"
)
PRINCIPAL_RULE: Final = (
    "must be iam:arn:aws:iam::<account>:role/<name> (without the role's path), the same of a user, "
    "oidc:<issuer>#<subject> or spiffe://<trust domain>/<path>"
)
MAX_SIMULATED_PRINCIPALS: Final = 500
"""Whom one simulation asks for."""
MAX_REPLAY_DAYS: Final = 90
"""As long as the audit's index remembers."""
DEFAULT_REPLAY_DAYS: Final = 7
MAX_REPLAYED: Final = 500
DEFAULT_REPLAYED: Final = 200
"""Records that one call looks at."""
REPLAY_BUDGET: Final = timedelta(seconds=5)
"""A call fetches no further page of records after this. The function may run for 15 s."""
MAX_TOLD_REASONS: Final = 10
"""Of one decision in a list of many."""
MAX_ACCESS_SET_BYTES: Final = 1024 * 1024
ACCESS_SET_CHUNK_BYTES: Final = 300 * 1024
"""An access set's part in one item."""
ACCESS_POINTER_COPIES: Final = 8
"""Every read fetches one, picked by chance: a single item would take 3,000 reads a second."""
KEPT_ACCESS_SETS: Final = 20
"""Revisions that stay stored: a region whose pointer is late still finds its set."""

GRANT_ID_PATTERN: Final = r"^bg_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
MAX_GRANT_MINUTES: Final = 60
MAX_GRANTS: Final = 100
"""Grants of a tenant that are active at once."""
MAX_PENDING_GRANTS: Final = 20
"""Requests of a principal that wait at once, among the tenant's latest: nobody buries the others' under their own."""
PENDING_LOOKED_AT: Final = 100
MAX_REASON_LENGTH: Final = 1024
MAX_TICKET_LENGTH: Final = 128
GRANT_REQUEST_TIME: Final = timedelta(hours=1)
"""For so long a request waits for its approvals."""
GRANT_SETTLING_TIME: Final = timedelta(hours=6)
"""For so long after its end the audit is searched for reads under a grant: records wait out an outage of the stream."""
GRANT_SEARCH_EVERY: Final = timedelta(minutes=1)
GRANT_SEARCH_MARGIN: Final = timedelta(minutes=15)
"""Searched before and after the time that a grant was active: clocks differ, and a revocation travels."""
MAX_GRANT_READS: Final = 400
"""Secrets that a grant's list names; each of those read is flagged, however many there are."""

MAX_OPEN_AUDIT_RANGE: Final = timedelta(days=1)
"""What a question to the audit may span when it names neither a secret nor an actor nor a request."""
MAX_REQUEST_ID_LENGTH: Final = 128

MAX_CACHED_READ_ITEMS: Final = 50
MAX_CACHED_READS: Final = 1_000_000_000
"""Reads that one item of a report may count: a process in a tight loop makes fewer in a few minutes."""
MAX_REPORT_AGE: Final = timedelta(days=1)
MAX_CLOCK_SKEW: Final = timedelta(minutes=5)
"""By which a client's clock may be ahead: what a signature may be off by as well."""

MAX_BODY_DEPTH: Final = 16
"""Nesting of a JSON request body; deeper ones exhaust the parser's stack."""

FENCE_SHARDS: Final = 64

MAX_TENANTS: Final = 500
MAX_ISSUERS: Final = 200
MAX_OPERATORS: Final = 50
MAX_REGISTRY_BYTES: Final = 1024 * 1024
OPERATOR_PATTERN: Final = (
    r"iam:arn:aws[a-z-]*:iam::[0-9]{12}:(role/[A-Za-z0-9_+=,.@-]{1,64}|user/[A-Za-z0-9_+=,.@/-]{1,128})"
)
OPERATOR_RULE: Final = "must be principals such as iam:arn:aws:iam::<account>:role/<name>, roles without a path"
HTTPS_URL_PATTERN: Final = (
    r"(?=.{9,512}\Z)https://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/%+=@:-]*)?"
)
HTTPS_URL_RULE: Final = (
    "must be an https URL of at most 512 characters, its host in lower case, without user, query or fragment"
)
TRUST_DOMAIN_PATTERN: Final = r"[a-z0-9._-]{1,255}"
TRUST_DOMAIN_RULE: Final = "must be a trust domain's name, 1 to 255 of a-z, 0-9, dot, hyphen and underscore"
MAX_AUDIENCES: Final = 10
MAX_AUDIENCE_LENGTH: Final = 256
MAX_INLINE_KEYS: Final = 20
MAX_PUBLISHED_KEYS: Final = 100
MAX_KID_LENGTH: Final = 256
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192
"""Verifying by a longer one takes the time of many requests."""
MIN_RSA_EXPONENT: Final = 65537
MAX_KEY_PART_LENGTH: Final = 2048
"""Characters of one number of a key in base64url."""

MAX_TOKEN_LENGTH: Final = 8 * 1024
"""Characters of a bearer token; a longer one is refused before it is parsed. API Gateway takes 10 KB of headers."""
MIN_TOKEN_AGE: Final = timedelta(minutes=1)
MAX_TOKEN_AGE: Final = timedelta(hours=24)
DEFAULT_TOKEN_AGE: Final = timedelta(hours=1)
TOKEN_LEEWAY: Final = timedelta(seconds=30)
"""How far an issuer's clock may be ahead of ours. None is granted at a token's end."""

KEY_SET_LIFETIME: Final = timedelta(hours=1)
"""For how long published keys are believed. When they cannot be fetched again, nobody is let in by them."""
KEY_SET_REFRESH: Final = timedelta(minutes=1)
"""At most so often are keys fetched again for a token that names an unknown one."""
KEY_SET_RETRY: Final = timedelta(seconds=10)
"""At most so often are keys fetched that could not be fetched."""
KEY_SET_TIMEOUT: Final = timedelta(seconds=2)
MAX_KEY_SET_BYTES: Final = 256 * 1024

REFUSALS_RECORDED_PER_SECOND: Final = 10
REFUSALS_RECORDED_AT_ONCE: Final = 100
"""What one execution environment records of refused tokens: nobody without a token may fill the audit."""
