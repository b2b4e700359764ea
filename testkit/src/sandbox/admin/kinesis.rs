//! What a test in another language can do to a stream, see [`Control`].

use serde::Deserialize;
use serde_json::{Value, json};

use super::{read, refusal, unknown};
use crate::clock::wall_clock;
use crate::dispatch::Refusal;
use crate::kinesis::request::RecordDistributionStrategy;
use crate::kinesis::{Control, KmsFailure, ServiceError, ShardId, Traffic};
use crate::sandbox::host::Host;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneShard {
    shard: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneDirection {
    shard: String,
    traffic: Direction,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Reads,
    Writes,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Width {
    shards: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Distribution {
    strategy: Strategy,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Strategy {
    UserPartitionKey,
    Auto,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kms {
    failure: KmsForm,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum KmsForm {
    Disabled,
    AccessDenied,
    InvalidState,
    NotFound,
    OptInRequired,
    Throttling,
}

/// Does to a stream what no client can do.
pub(super) fn control(host: &Host, stream: &str, what: &str, body: &[u8]) -> Result<Value, Refusal> {
    match what {
        "throttle" | "release" => throttle(host, stream, what, body),
        "close-shard" => {
            let shard = shard_id(&read::<OneShard>(body)?.shard)?;
            visit(host, stream, |mut stream| stream.close_shard(shard))
        }
        "scale" => {
            let Width { shards } = read(body)?;
            visit(host, stream, |mut stream| stream.scale(shards))
        }
        "distribute" => {
            let Distribution { strategy } = read(body)?;
            visit(host, stream, |mut stream| stream.distribute(strategy.into()))
        }
        "fail-kms" => {
            let Kms { failure } = read(body)?;
            visit(host, stream, |mut stream| {
                stream.fail_kms(failure.into());
                Ok(())
            })
        }
        "restore-kms" => visit(host, stream, |mut stream| {
            stream.restore_kms();
            Ok(())
        }),
        _ => Err(unknown(what)),
    }
}

fn throttle(host: &Host, stream: &str, what: &str, body: &[u8]) -> Result<Value, Refusal> {
    let OneDirection { shard, traffic } = read(body)?;
    let shard = shard_id(&shard)?;
    let traffic = match traffic {
        Direction::Reads => Traffic::Reads,
        Direction::Writes => Traffic::Writes,
    };
    visit(host, stream, |mut stream| match what {
        "throttle" => stream.throttle(shard, traffic),
        _ => stream.release(shard, traffic),
    })
}

fn visit(
    host: &Host,
    stream: &str,
    change: impl FnOnce(Control<'_>) -> Result<(), ServiceError>,
) -> Result<Value, Refusal> {
    host.services.kinesis(|kinesis| {
        kinesis.settle(wall_clock());
        change(kinesis.control(stream)?)
    })?;
    Ok(json!({}))
}

fn shard_id(text: &str) -> Result<ShardId, Refusal> {
    text.parse()
        .map_err(|_invalid| refusal(&format!("{text:?} is not a shard id")))
}

impl From<Strategy> for RecordDistributionStrategy {
    fn from(form: Strategy) -> Self {
        match form {
            Strategy::UserPartitionKey => Self::UserPartitionKey,
            Strategy::Auto => Self::Auto,
        }
    }
}

impl From<KmsForm> for KmsFailure {
    fn from(form: KmsForm) -> Self {
        match form {
            KmsForm::Disabled => Self::Disabled,
            KmsForm::AccessDenied => Self::AccessDenied,
            KmsForm::InvalidState => Self::InvalidState,
            KmsForm::NotFound => Self::NotFound,
            KmsForm::OptInRequired => Self::OptInRequired,
            KmsForm::Throttling => Self::Throttling,
        }
    }
}
