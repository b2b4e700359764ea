//! That the simulated service behaves as Amazon Kinesis does: the same rows on our two fronts, on an independent
//! emulator and on AWS.
//!
//! A row is one behaviour in one sentence, looked for through the SDK's client. `CONFORMANCE.md` lists them all; it is
//! written by `CONFORMANCE_WRITE=1 cargo test -p kinesis-testkit conformance`.
//!
//! | target | runs |
//! |---|---|
//! | simulation, sandbox | always |
//! | kinesis-mock | with `KINESIS_MOCK=1`; see `kinesis_mock.rs` |
//! | AWS | with `CONFORMANCE_AWS=1` and `--ignored`; see `aws.rs`, which tells the costs |
//!
//! `CONFORMANCE_ROWS=<words>` tries only the rows with these words.

mod aws;
mod evidence;
mod kinesis_mock;
mod row;
mod rows;
mod stream;
mod subject;
mod suite;
mod table;
mod target;
mod verdict;

use std::time::Duration;

use testkit::kinesis::Settings;
use testkit::sandbox::Sandbox;
use testkit::sim::Sim;

use self::subject::Subject;
use self::suite::conform;
use self::target::Target;

const PREFIX: &str = "conformance";

#[tokio::test(start_paused = true)]
async fn the_simulation_conforms() {
    conform(Target::Sim, async |_, row| {
        let sim = Sim::builder()
            .seed(7)
            .kinesis((row.settings)(Settings::default()))
            .build();
        Subject::new(Target::Sim, &sim.sdk_config(), PREFIX.to_owned())
    })
    .await;
}

#[tokio::test]
async fn the_sandbox_conforms() {
    conform(Target::Sandbox, async |_, row| {
        let sandbox = Sandbox::start_with((row.settings)(without_delay()))
            .await
            .expect("a loopback port");
        let config = sandbox.sdk_config();
        Subject::new(Target::Sandbox, &config, PREFIX.to_owned()).keeping(sandbox)
    })
    .await;
}

/// Settings under which streams change at once, so that no row waits for it without need.
fn without_delay() -> Settings {
    Settings {
        creation_time: Duration::ZERO,
        resharding_time: Duration::ZERO,
        update_time: Duration::ZERO,
        deletion_time: Duration::ZERO,
        ..Settings::default()
    }
}
