"""The ports over AWS: DynamoDB, KMS, Kinesis, the encryption SDK."""
