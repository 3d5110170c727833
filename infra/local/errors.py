"""What can go wrong while the local cloud starts, told to a person."""


class LocalCloudError(Exception):
    """The local cloud cannot start or is not there; the message says what is missing and what to do."""
