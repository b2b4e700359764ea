#!/bin/sh
# Round trips of the AWS CLI through the sandbox: Kinesis, DynamoDB, CloudWatch. The environment says where it is.
set -eu

stream=from-cli

aws kinesis create-stream --stream-name "$stream" --shard-count 1
aws kinesis wait stream-exists --stream-name "$stream"
# Base64 by option in one version of the CLI and by default in the other: a text that both take for what it is.
aws kinesis put-record --stream-name "$stream" --partition-key k --data aGVsbG8= --output text >/dev/null
iterator="$(aws kinesis get-shard-iterator --stream-name "$stream" --shard-id shardId-000000000000 \
  --shard-iterator-type TRIM_HORIZON --query ShardIterator --output text)"
key="$(aws kinesis get-records --shard-iterator "$iterator" --query 'Records[0].PartitionKey' --output text)"
[ "$key" = k ]

aws dynamodb create-table --table-name "$stream" --billing-mode PAY_PER_REQUEST --output text \
  --key-schema AttributeName=id,KeyType=HASH --attribute-definitions AttributeName=id,AttributeType=S >/dev/null
aws dynamodb wait table-exists --table-name "$stream"
aws dynamodb put-item --table-name "$stream" --item '{"id":{"S":"a"},"count":{"N":"7"}}'
count="$(aws dynamodb get-item --table-name "$stream" --key '{"id":{"S":"a"}}' --query Item.count.N --output text)"
[ "$count" = 7 ]

aws cloudwatch put-metric-data --namespace Cli --metric-name Lag --value 3 --unit Seconds --dimensions Shard=0
