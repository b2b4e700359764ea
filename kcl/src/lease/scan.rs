//! Reads a whole lease table, page by page.

use std::time::Duration;

use service::{Clock, Jitter, RetryDelays};

use crate::coordination::rows::FleetRows;
use crate::coordination::rule::{Coordinator, Leases, Seen};
use crate::error::TableError;
use crate::event::LeaseEvent;
use crate::lease::item::{Hole, Row};
use crate::lease::model::{Lease, LeaseKey};
use crate::lease::table::{LeaseTable, ScanPage};
use crate::observers::Observers;

/// How often one page is asked for. Our choice: five waits of up to 1.9 s together, well below the failover time.
const TRIES_PER_PAGE: u32 = 6;

/// The wait after the first failure of a page, and the longest. Our choice.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(600));

/// The rows of a table, sorted by what they hold.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The leases, by key.
    pub(crate) leases: Vec<Lease>,
    /// The rows that should hold leases and cannot be read, by key. Their shards have no reader.
    pub(crate) holes: Vec<Hole>,
    /// The other rows.
    pub(crate) rows: FleetRows,
}

impl Listing {
    /// What this scan says of the rule that the fleet follows.
    pub(crate) fn seen<'a>(&'a self, coordinator: &'a Coordinator) -> Seen<'a> {
        Seen {
            leases: self.streams(),
            rows: &self.rows,
            coordinator,
        }
    }

    /// Of how many streams the leases are.
    fn streams(&self) -> Leases {
        let streams = self.leases.iter().map(|lease| &lease.stream);
        let mut streams = streams.chain(self.holes.iter().map(|hole| &hole.stream));
        match streams.any(Option::is_some) {
            true => Leases::OfSeveralStreams,
            false if self.leases.is_empty() && self.holes.is_empty() => Leases::None,
            false => Leases::OfOneStream,
        }
    }

    fn add(&mut self, row: Row, table: &str, observers: &Observers) {
        match row {
            Row::Lease(lease) => self.leases.push(lease),
            Row::Foreign(kind, attributes) => self.rows.add(&kind, &attributes),
            // One damaged row must not stop the work on all others.
            Row::Hole(hole) => {
                observers.tell(hole.event(table));
                self.holes.push(hole);
            }
        }
    }
}

/// Reads the whole table.
///
/// A page that is throttled or unanswered is asked for again, after a wait, and the pages before it are kept.
///
/// # Errors
///
/// The last failure of a page that failed each time, or that cannot work later.
///
/// # Cancellation
///
/// A dropped future has changed nothing.
pub(crate) async fn list(
    table: &dyn LeaseTable,
    clock: &Clock,
    rng: &mut fastrand::Rng,
    observers: &Observers,
) -> Result<Listing, TableError> {
    let mut delays = RetryDelays::new(WAITS, Jitter::Half, rng.fork());
    let mut listing = Listing::default();
    let mut from = None;
    loop {
        let ScanPage { rows, next } = page(table, from.as_ref(), (clock, &mut delays)).await?;
        for row in rows {
            listing.add(row, table.name(), observers);
        }
        match next {
            Some(key) => from = Some(key),
            None => break,
        }
    }
    listing.leases.sort_by(|a, b| a.key.cmp(&b.key));
    listing.holes.sort_by(|a, b| a.key.cmp(&b.key));
    tell_of_damage(&listing.rows, table.name(), observers);
    Ok(listing)
}

/// Tells of the rows of the fleet that cannot be read.
pub(crate) fn tell_of_damage(rows: &FleetRows, table: &str, observers: &Observers) {
    for error in &rows.damaged {
        observers.tell(LeaseEvent::FleetRowUnreadable {
            table: table.to_owned(),
            row: error.key.clone(),
            problem: error.to_string(),
            repeated: 0,
        });
    }
}

async fn page(
    table: &dyn LeaseTable,
    from: Option<&LeaseKey>,
    (clock, delays): (&Clock, &mut RetryDelays),
) -> Result<ScanPage, TableError> {
    let mut failures = 0;
    loop {
        match table.scan_page(from).await {
            Ok(page) => return Ok(page),
            Err(error) => {
                failures += 1;
                if failures >= TRIES_PER_PAGE || !error.kind().is_transient() {
                    return Err(error);
                }
                clock.sleep(delays.after(failures)).await;
            }
        }
    }
}
