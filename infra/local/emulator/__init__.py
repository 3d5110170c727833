"""MiniStack with what Strongroom's templates need beyond it; started as `python -m infra.local.emulator`."""
