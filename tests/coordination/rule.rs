//! Which rule a worker follows.

use kcl::Coordination;

use super::{Fleet, SECOND, text};
use crate::fleet::{Checkpoints, worker};

#[tokio::test(start_paused = true)]
async fn a_new_table_gets_the_row_of_the_3x_rule_and_then_the_rows_of_the_worker() {
    let mut fleet = Fleet::new(2);
    let builder = worker(&fleet.sim, "w1", &fleet.journal, Checkpoints::AfterEachBatch);
    fleet.start_as("w1", builder.coordination(Coordination::Auto));
    fleet.until_level(2).await;
    tokio::time::sleep(SECOND).await;
    let rows = fleet.rows().await;
    let keys: Vec<_> = rows.keys().map(String::as_str).collect();
    let leases = ["shardId-000000000000", "shardId-000000000001"];
    assert_eq!(keys, [&["Leader", "Migration3.0"][..], &leases, &["w1"]].concat());
    assert_eq!(text(&rows["Migration3.0"], "cv"), "CLIENT_VERSION_3X");
    assert_eq!(text(&rows["Migration3.0"], "mb"), "w1");
    assert_eq!(text(&rows["Leader"], "ownerName"), "w1");
    assert_eq!(text(&rows["w1"], "entityType"), "WORKER_METRIC_STATS");
    assert_eq!(text(&rows[leases[0]], "leaseOwner"), "w1");
}
