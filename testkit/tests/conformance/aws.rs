//! The rows on AWS itself, with the caller's own credentials and region.

use std::env;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::process;

use aws_config::BehaviorVersion;
use aws_sdk_kinesis::Client;
use futures::FutureExt as _;

use super::PREFIX;
use super::subject::{Subject, delete};
use super::suite::conform;
use super::target::Target;

/// Asks AWS.
///
/// # Costs
///
/// It makes about 130 streams one after another, with 250 shards in all when those of splits and merges are counted,
/// and six of them on demand. Each stream lives for a minute or two; the whole takes two to three hours. At 1.5 cents
/// a shard-hour and 4 cents an on-demand stream-hour (us-east-1, 2026) that is some 15 cents by the minute, and at most
/// four dollars if each hour that has begun counts in full. The key `alias/aws/kinesis` costs less than a cent.
///
/// Each stream's name starts with `conformance-` and the id of this process. Each is deleted after its row, whatever
/// became of the row; a sweep at the end deletes what is left of this process.
#[tokio::test]
#[ignore = "costs money; set CONFORMANCE_AWS=1"]
async fn aws_conforms() {
    let consent = env::var("CONFORMANCE_AWS").is_ok_and(|value| value == "1");
    assert!(
        consent,
        "this makes about a hundred streams in your account; set CONFORMANCE_AWS=1 to allow it"
    );
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let prefix = format!("{PREFIX}-{}", process::id());
    let suite = conform(Target::Aws, async |index, _| {
        Subject::new(Target::Aws, &config, format!("{prefix}-{index}"))
    });
    let outcome = AssertUnwindSafe(suite).catch_unwind().await;
    sweep(&Client::new(&config), &format!("{prefix}-")).await;
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

/// Deletes every stream whose name starts with `prefix`.
async fn sweep(client: &Client, prefix: &str) {
    let mut after = Some(prefix.to_owned());
    while let Some(start) = after {
        let Ok(page) = client.list_streams().exclusive_start_stream_name(start).send().await else {
            println!("could not list the streams; delete those that start with {prefix}");
            return;
        };
        for name in page.stream_names().iter().filter(|name| name.starts_with(prefix)) {
            delete(client, name, Target::Aws).await;
        }
        let last = page.stream_names().last().filter(|name| name.starts_with(prefix));
        after = last.filter(|_| page.has_more_streams()).cloned();
    }
}
