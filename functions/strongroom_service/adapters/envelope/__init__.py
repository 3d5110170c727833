"""The envelope encryption: namespace keys of KMS, messages of the AWS Encryption SDK."""
