"""Round trips of boto3 through the sandbox: Kinesis, DynamoDB, CloudWatch. The environment says where it is."""

import boto3
from botocore.exceptions import ClientError

STREAM = "from-boto3"
RECORDS = [{"Data": bytes([0, 255, n]), "PartitionKey": str(n)} for n in range(20)]


def kinesis():
    client = boto3.client("kinesis")
    client.create_stream(StreamName=STREAM, ShardCount=2)
    client.get_waiter("stream_exists").wait(StreamName=STREAM, WaiterConfig={"Delay": 1})
    put = client.put_records(StreamName=STREAM, Records=RECORDS)
    assert put["FailedRecordCount"] == 0, put

    read = []
    for shard in client.list_shards(StreamName=STREAM)["Shards"]:
        iterator = client.get_shard_iterator(
            StreamName=STREAM, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        read += client.get_records(ShardIterator=iterator)["Records"]
    assert sorted(record["Data"] for record in read) == [record["Data"] for record in RECORDS], read
    assert all(record["ApproximateArrivalTimestamp"].year >= 2025 for record in read), read

    try:
        client.describe_stream_summary(StreamName="nowhere")
        raise AssertionError("there is no such stream")
    except client.exceptions.ResourceNotFoundException:
        pass


def dynamodb():
    client = boto3.client("dynamodb")
    client.create_table(
        TableName=STREAM,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName=STREAM, WaiterConfig={"Delay": 1})
    item = {"id": {"S": "a"}, "blob": {"B": b"\x00\xff"}, "count": {"N": "7"}}
    client.put_item(TableName=STREAM, Item=item)
    assert client.get_item(TableName=STREAM, Key={"id": {"S": "a"}})["Item"] == item


def cloudwatch():
    client = boto3.client("cloudwatch")
    client.put_metric_data(Namespace="Boto3", MetricData=[{"MetricName": "Lag", "Value": 3, "Unit": "Seconds"}])
    # Long enough to be compressed.
    many = [{"MetricName": "Lag", "Value": 1.5, "Unit": "Seconds"}] * 1000
    client.put_metric_data(Namespace="Boto3", MetricData=many)
    try:
        client.put_metric_data(Namespace="Boto3", MetricData=many + many)
        raise AssertionError("2,000 metrics are too many")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidParameterValue", error


kinesis()
dynamodb()
cloudwatch()
