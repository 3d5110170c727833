"""Why a verification could not be made. What is wrong with an archive is a finding, never an error.

AuditError
├── ArchiveUnreadable    the bucket or folder does not answer, or may not be read
├── KeyUnusable          the public key is no P-256 key, or cannot be had
└── OptionInvalid        a receipt, time or known digest is not in its form
"""


class AuditError(Exception):
    """A verification that could not be made. The message is for people."""


class ArchiveUnreadable(AuditError):
    """The archive does not answer, or may not be read."""


class KeyUnusable(AuditError):
    """The public key is no P-256 key, or cannot be had."""


class OptionInvalid(AuditError):
    """A receipt, time or known digest is not in its form."""
