"""The local cloud: a two-region AWS on loopback, deployed by the real CDK command line."""
