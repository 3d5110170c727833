"""Where break-glass is announced: a topic of each region, under the audit's key."""

from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct


def announcements(scope: Construct, *, name: str, key: kms.IKey, address: str | None) -> sns.Topic:
    """A topic with TLS demanded, and its first subscriber; others may subscribe by its name.

    Its policy allows nothing: who publishes has it in its role, which names this topic alone.
    """
    topic = sns.Topic(scope, "BreakGlass", topic_name=name, master_key=key, enforce_ssl=True)
    if address is not None:
        topic.add_subscription(subscriptions.EmailSubscription(address))
    return topic
