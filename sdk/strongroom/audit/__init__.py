"""Verifies an archive of the audit: its records, their chains, and the signed digests over them.

    from strongroom.audit import BucketArchive, PublicKey, verify

    report = verify(BucketArchive(bucket="...", region="us-east-1"), key=PublicKey.read("digest.pem"))
    report.is_sound, report.findings

It reads and never writes, needs no part of Strongroom to run, and takes nothing from the platform on trust but the
public key that it is given. Memory is constant: what has to be remembered of an archive lies in a temporary file.
Needs the extra `strongroom[audit]` (the `cryptography` package), which `strongroom[cli]` brings too.
"""

from .bucket import BucketArchive
from .errors import ArchiveUnreadable, AuditError, KeyUnusable, OptionInvalid
from .findings import Finding, Kind, ProvenReceipt, Report
from .folder import FolderArchive
from .key import PublicKey
from .receipts import Receipt
from .sealing import KnownDigest
from .verification import verify

__all__ = [
    "ArchiveUnreadable",
    "AuditError",
    "BucketArchive",
    "Finding",
    "FolderArchive",
    "KeyUnusable",
    "Kind",
    "KnownDigest",
    "OptionInvalid",
    "ProvenReceipt",
    "PublicKey",
    "Receipt",
    "Report",
    "verify",
]
