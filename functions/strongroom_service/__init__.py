"""The server side of Strongroom: everything that runs inside its Lambda functions."""
