"""Every operation of the services that later chapters build, through real boto3 and back."""

import pytest

from roundtrip import round_trip

# What boto3 changes itself on the way, so that it does not arrive as it was sent.
BOTO3S_OWN = {
    "autoscaling": {"CreateLaunchConfiguration": "UserData is base64-encoded"},
    "ec2": {
        "CopySnapshot": "PresignedUrl and DestinationRegion are filled in",
        "GetConsoleOutput": "Output is base64-decoded",
        "RunInstances": "UserData is base64-encoded",
    },
    "route53": {
        "CreateHostedZone": "HostedZoneId loses what comes before its last /",
        "CreateReusableDelegationSet": "HostedZoneId loses what comes before its last /",
        "CreateTrafficPolicyInstance": "HostedZoneId loses what comes before its last /",
        "ListResourceRecordSets": "HostedZoneId loses what comes before its last /",
        "AssociateVPCWithHostedZone": "HostedZoneId loses what comes before its last /",
    },
    # These two are not signed: who sends them has no credentials yet.
    "sts": {"AssumeRoleWithSAML": "unsigned", "AssumeRoleWithWebIdentity": "unsigned"},
}
SERVICES = (
    *("autoscaling", "cloudwatch", "dynamodb", "ec2", "ecs", "elbv2", "iam", "lambda", "logs"),
    *("route53", "sns", "sqs", "stepfunctions", "sts"),
)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_operation_arrives_and_is_answered(service: str, seed: int) -> None:
    report = round_trip(service, seed)
    known = BOTO3S_OWN.get(service, {})
    assert {name: why for name, why in report.failures.items() if name not in known} == {}
    assert report.passed > 8
