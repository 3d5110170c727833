"""`strongroom audit`: proof that the audit is whole."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from strongroom.audit import (
    ArchiveUnreadable,
    BucketArchive,
    Finding,
    FolderArchive,
    KeyUnusable,
    KnownDigest,
    OptionInvalid,
    PublicKey,
    Receipt,
    Report,
    verify,
)
from strongroom.audit.source import Archive

from .exits import Exit
from .output import complaints, plain, progress, results

app = typer.Typer(
    help="Verify the audit: who read what, and that nobody changed the record of it.", no_args_is_help=True
)

_BUCKET: Final = re.compile(r"strongroom-([a-z][a-z0-9]{0,11})-audit-\d{12}-[a-z0-9-]+")
_STAGES: Final = {"digests": "Digests", "listing": "Listing", "objects": "Objects", "chains": "Chains"}
_SHOWN: Final = 100
"""Findings that people are shown one by one."""


@app.command(
    "verify",
    epilog="Example: strongroom audit verify --bucket strongroom-prod-audit-111122223333-us-east-1 --region us-east-1"
    " --public-key digest.pem\n\nA copy: strongroom audit verify --directory ./archive --public-key digest.pem --json",
)
def verify_command(  # each option is an argument of its own, and a sentence of the help
    *,
    bucket: Annotated[
        str | None, typer.Option(help="The archive's bucket, or whose copy a folder must be.", show_default=False)
    ] = None,
    region: Annotated[str | None, typer.Option(help="The region of the bucket.", show_default=False)] = None,
    directory: Annotated[
        Path | None,
        typer.Option(
            help="A copy of the archive, as `aws s3 sync` makes it, in place of the bucket.", show_default=False
        ),
    ] = None,
    public_key: Annotated[
        Path | None,
        typer.Option(
            help="The digests' public key (PEM or DER), pinned in a place of your own. Without it KMS is asked, which"
            " trusts the account.",
            show_default=False,
        ),
    ] = None,
    key_id: Annotated[
        str | None, typer.Option(help="The KMS key to ask for, by ARN or alias.", show_default=False)
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--from", help="Only what was sealed from this time on: 2026-06-06 or 2026-06-06T14:00:00Z."),
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="Only what was sealed up to this time.")] = None,
    receipt: Annotated[
        list[str] | None, typer.Option(help="A read's receipt to be proven. May be given several times.")
    ] = None,
    known_digest: Annotated[
        str | None,
        typer.Option(help="NUMBER.SHA256 of a digest that an earlier report named: it must still be there."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = False,
) -> None:
    """Verify an archive: every record, chain and digest, and single receipts.

    Reads and never writes. Exit codes: 0 sound, 1 findings, 2 wrong use, 3 not readable, 130 interrupted.
    """
    try:
        receipts = [Receipt.parse(text) for text in receipt or ()]
        known = KnownDigest.parse(known_digest) if known_digest else None
        begin, end = _time(since, "--from"), _time(until, "--to", is_end=True)
        alias = _check_use(bucket, region, directory, public_key, key_id)
        archive = _archive(bucket, region, directory)
        key = _key(public_key, alias, region)
        if public_key is None:
            message = f"warning: the public key is not pinned; it was taken from {key.origin}, and is as good as that"
            complaints().print(plain(message, "yellow"))
        with progress(_STAGES, shown=not as_json) as tell:
            report = verify(archive, key=key, receipts=receipts, since=begin, until=end, known=known, progress=tell)
    except OptionInvalid as error:
        raise typer.BadParameter(str(error)) from None
    except (ArchiveUnreadable, KeyUnusable) as error:
        _end_unreadable(str(error), as_json=as_json)
    except KeyboardInterrupt:
        complaints().print(plain("interrupted: nothing was verified"))
        raise typer.Exit(Exit.INTERRUPTED) from None
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        _show(report)
    raise typer.Exit(Exit.DONE if report.is_sound else Exit.FINDINGS)


@app.command(
    "public-key",
    epilog="Example: strongroom audit public-key --stage prod --region us-east-1 > digest.pem",
)
def public_key_command(
    *,
    region: Annotated[str, typer.Option(help="Any region of the deployment: it is one key in all of them.")],
    stage: Annotated[str | None, typer.Option(help="The deployment's stage.", show_default=False)] = None,
    key_id: Annotated[
        str | None, typer.Option(help="The KMS key, by ARN or alias, in place of the stage's.", show_default=False)
    ] = None,
) -> None:
    """Show the public key that digests are verified by, as PEM: keep it where the account's owners cannot change it."""
    if (stage is None) == (key_id is None):
        raise typer.BadParameter("give either --stage or --key-id")
    try:
        typer.echo(PublicKey.from_kms(key_id or f"alias/strongroom-{stage}-digest", region=region).pem(), nl=False)
    except KeyUnusable as error:
        _end_unreadable(str(error), as_json=False)


def _check_use(
    bucket: str | None, region: str | None, directory: Path | None, public_key: Path | None, key_id: str | None
) -> str:
    """Refuse what makes no sense; the KMS key to ask for when none is pinned."""
    if directory is None and (bucket is None or region is None):
        raise typer.BadParameter("give --bucket and --region, or --directory")
    if public_key is not None:
        if key_id is not None:
            raise typer.BadParameter("give either --public-key or --key-id")
        return ""
    if key_id is None and bucket is None:
        raise typer.BadParameter("a copy is verified by a pinned key: give --public-key")
    if region is None:
        raise typer.BadParameter("give --region, in which KMS is asked for the key, or --public-key")
    if key_id is not None:
        return key_id
    found = _BUCKET.fullmatch(bucket or "")
    if found is None:
        raise typer.BadParameter("the bucket's name does not tell the key: give --public-key or --key-id")
    return f"alias/strongroom-{found[1]}-digest"


def _archive(bucket: str | None, region: str | None, directory: Path | None) -> Archive:
    if directory is not None:
        return FolderArchive(directory, bucket=bucket, region=region)
    return BucketArchive(bucket=bucket or "", region=region or "")


def _key(public_key: Path | None, alias: str, region: str | None) -> PublicKey:
    return PublicKey.read(public_key) if public_key is not None else PublicKey.from_kms(alias, region=region or "")


def _time(text: str | None, option: str, *, is_end: bool = False) -> datetime | None:
    """A time with an offset, or a whole day in UTC."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise OptionInvalid(
            f"{option} must be a day such as 2026-06-06, or a time such as 2026-06-06T14:00:00Z"
        ) from None
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        last = {"hour": 23, "minute": 59, "second": 59, "microsecond": 999_999}
        return time.replace(tzinfo=UTC, **(last if is_end else {}))
    if time.tzinfo is None:
        raise OptionInvalid(f"{option} needs an offset, such as Z or +02:00")
    return time


def _show(report: Report) -> None:
    console = results()
    for name, value in _facts(report):
        console.print(plain(f"{name:<10}{value}"))
    for proven in report.receipts:
        seal = f"sealed by digest {proven.digest}" if proven.digest is not None else "not sealed yet"
        console.print(plain(f"Receipt   {proven.receipt.event_id} is line {proven.line} of {proven.key}, {seal}"))
    for told, style in ((report.findings, "red"), (report.notes, "dim")):
        for finding in told[:_SHOWN]:
            console.print(plain(_sentence(finding), style))
        if len(told) > _SHOWN:
            console.print(plain(f"... and more of them; --json has up to {len(told)}", style))
    for kind, count in sorted(report.counts.items()):
        console.print(plain(f"{count:>6} {kind}"))
    verdict = ("Sound: nothing was found.", "bold green") if report.is_sound else ("Not sound.", "bold red")
    console.print(plain(*verdict))


def _facts(report: Report) -> list[tuple[str, str]]:
    place = report.place
    unsealed = f"{report.unsealed_objects} objects, {report.unsealed_records} records: no digest protects them yet"
    sealed_at = report.sealed_at
    return [
        ("Archive", f"{place.bucket}, stage {place.stage}, {place.region}" if place else "of unknown origin"),
        ("Key", report.key),
        (
            "Digests",
            f"{report.digests}, the last is {report.last_digest}, sealed {sealed_at:%Y-%m-%d %H:%M:%S} UTC"
            if sealed_at
            else "none",
        ),
        ("Read", f"{report.objects} objects, {report.records} records in {report.chains} chains"),
        ("Unsealed", unsealed),
    ]


def _sentence(finding: Finding) -> str:
    where: list[tuple[str, Any]] = [
        ("digest", finding.digest),
        ("object", finding.key),
        ("version", finding.version_id),
        ("line", finding.line),
        ("event", finding.event_id),
        ("chain", finding.chain_id),
        ("sequence", _sequences(finding)),
        ("receipt", finding.receipt),
    ]
    places = ", ".join(f"{name} {value}" for name, value in where if value is not None)
    return f"{finding.kind}: {finding.message}" + (f"\n    {places}" if places else "")


def _sequences(finding: Finding) -> str | None:
    if finding.sequence is None:
        return None
    last = finding.last_sequence
    return f"{finding.sequence}" if last in {None, finding.sequence} else f"{finding.sequence} to {last}"


def _end_unreadable(message: str, *, as_json: bool) -> NoReturn:
    if as_json:
        typer.echo(json.dumps({"formatVersion": 1, "error": {"code": "unreadable", "message": message}}, indent=2))
    complaints().print(plain(f"error: {message}", "red"))
    raise typer.Exit(Exit.UNREADABLE)
