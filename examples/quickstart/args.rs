//! What can be asked of a run.

use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;

use clap::{Args, Parser};

use crate::input::KeyPath;

/// One week of earthquakes, which comes with the example.
const EARTHQUAKES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/earthquakes.ndjson");

/// Puts every line of a file into a Kinesis stream, reads the stream with two workers, and accounts for every record.
///
/// It needs nothing: without `--aws`, Kinesis and DynamoDB run inside the example, behind a loopback port.
#[derive(Debug, Parser)]
#[command(name = "quickstart")]
pub(crate) struct Options {
    /// The file to put; each line is a record, byte by byte. Default: the earthquakes that come with the example
    #[arg(long, value_name = "PATH", default_value = EARTHQUAKES, hide_default_value = true)]
    pub(crate) file: PathBuf,

    /// Where a line has its partition key, if it is JSON: names with dots between. Lines without go round robin
    #[arg(long, value_name = "PATH", default_value = "id")]
    pub(crate) key: KeyPath,

    /// Puts the file so many times
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) repeat: NonZeroU32,

    /// The shards that the stream begins with; half-way, one of them is split
    #[arg(long, value_name = "N", default_value = "4", conflicts_with = "aws")]
    pub(crate) shards: NonZeroU16,

    /// Crashes the second worker in the middle of the run
    #[arg(long)]
    pub(crate) crash_one: bool,

    /// Overlooks N records on purpose: the run must notice, and fail
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    pub(crate) inject_loss: usize,

    #[command(flatten)]
    pub(crate) aws: Aws,
}

/// Which stream of AWS to use, if any.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub(crate) struct Aws {
    /// Uses a stream in AWS, as the environment configures it. Creates a lease table, and deletes it at the end
    #[arg(long, requires = "stream")]
    aws: bool,

    /// The name of the stream, which must exist
    #[arg(long, value_name = "NAME", requires = "aws")]
    stream: Option<String>,

    /// Splits one shard of that stream half-way. It stays split
    #[arg(long, requires = "aws")]
    pub(crate) reshard: bool,
}

impl Aws {
    /// The stream in AWS to use; `None` for one on this machine.
    pub(crate) fn stream(&self) -> Option<&str> {
        self.stream.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_options_are_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn a_stream_of_aws_is_used_only_when_both_options_say_so() {
        let parse = |args: &[&str]| Options::try_parse_from([&["quickstart"], args].concat());
        assert_eq!(parse(&[]).unwrap().aws.stream(), None);
        assert_eq!(parse(&["--aws", "--stream", "s"]).unwrap().aws.stream(), Some("s"));
        for refused in [
            &["--aws"][..],
            &["--stream", "s"],
            &["--reshard"],
            &["--aws", "--stream", "s", "--shards", "2"],
        ] {
            assert!(parse(refused).is_err(), "{refused:?}");
        }
    }
}
