"""The ports on real services: DynamoDB, KMS, Kinesis, the AWS Encryption SDK."""
