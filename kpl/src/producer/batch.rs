//! Many records in one call, with one wait for room.

use std::iter::Peekable;

use tokio::task::coop::consume_budget;

use super::Producer;
use crate::budget::{Permit, Room};
use crate::error::{PutError, PutErrorKind};
use crate::producer::shared::Shared;
use crate::receipt::Receipt;
use crate::record::Record;

/// How many records cost one unit of the time that tokio gives a task before others run: 128 units. Our choice: the check is then
/// a small part of a `put`, and a task runs for about 0.2 ms.
const RECORDS_A_UNIT: usize = 4;

impl Producer {
    /// Accepts many records, after waiting once for the room that all of them need. The answers come in the order of the
    /// records: for each a [`Receipt`], or why that record was not accepted.
    ///
    /// A record that breaks a rule is refused alone; the others are accepted. A batch larger than the whole
    /// [`Budget`](crate::Budget) goes in pieces, each of at most a quarter of the budget and each with a wait of its own:
    /// the room that it waits for is kept from everybody else meanwhile.
    ///
    /// # Errors
    ///
    /// Those of [`put`](Self::put), each in its record's place. Once the producer has ended, also while it waits, each
    /// record that was not accepted comes back.
    ///
    /// # Cancellation
    ///
    /// Dropping the future while it waits drops the records of the piece that waits and those after it. The pieces before
    /// it were accepted and are delivered; their receipts are dropped. A batch that fits into the budget is one piece:
    /// all of its records are accepted, or none, unless the producer ends meanwhile. A piece that has its room enters as a
    /// whole, also if the future is dropped while it lets other tasks run.
    pub async fn put_all(
        &self,
        records: impl IntoIterator<Item = Record, IntoIter: Send>,
    ) -> Vec<Result<Receipt, PutError>> {
        self.put_places(records.into_iter().map(Ok)).await
    }

    /// As [`put_all`](Self::put_all). A record that was refused before keeps its place.
    pub(crate) async fn put_places(
        &self,
        places: impl Iterator<Item = Result<Record, PutError>> + Send,
    ) -> Vec<Result<Receipt, PutError>> {
        let budget = &self.shared.template.budget;
        let admit = |record: Record| self.admit(&record).map(|cost| (record, cost));
        let mut places = places.map(|place| place.and_then(admit)).peekable();
        let whole = Piece::fill(&mut places, |room| budget.is_enough_for(room)).await;
        if places.peek().is_none() {
            return self.put_piece(whole).await;
        }
        let mut places = whole.places.into_iter().chain(places).peekable();
        let mut answers = Vec::new();
        while places.peek().is_some() {
            let piece = Piece::fill(&mut places, |room| budget.is_enough_for(room.times(4))).await;
            answers.extend(self.put_piece(piece).await);
        }
        answers
    }

    /// Accepts a piece as a whole, and lets other tasks run meanwhile.
    async fn put_piece(&self, piece: Piece) -> Vec<Result<Receipt, PutError>> {
        let permit = self.acquire(piece.room).await;
        let entering = Entering {
            shared: &self.shared,
            permit,
            places: piece.places.into_iter(),
        };
        let mut answers = Vec::with_capacity(entering.places.len());
        for answer in entering {
            answers.push(answer);
            if answers.len().is_multiple_of(RECORDS_A_UNIT) {
                consume_budget().await;
            }
        }
        answers
    }
}

/// A piece that has its room. All of it enters, also if nobody waits for that any more.
struct Entering<'a> {
    shared: &'a Shared,
    permit: Result<Permit<'a>, PutErrorKind>,
    places: std::vec::IntoIter<Place>,
}

impl Iterator for Entering<'_> {
    type Item = Result<Receipt, PutError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (record, cost) = match self.places.next()? {
            Ok(place) => place,
            Err(refused) => return Some(Err(refused)),
        };
        Some(match &mut self.permit {
            Ok(permit) => self.shared.append(record, permit.split_record(cost)),
            Err(closed) => Err(self.shared.refuse(closed.clone(), record)),
        })
    }
}

impl Drop for Entering<'_> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

/// A record with its cost, or why it was refused.
type Place = Result<(Record, usize), PutError>;

/// A part of a batch that waits for its room at once, in the order of its records.
#[derive(Debug, Default)]
struct Piece {
    places: Vec<Place>,
    room: Room,
}

impl Piece {
    /// Takes as many of `places` as fit, and at least one. A large one lets other tasks run meanwhile.
    async fn fill(places: &mut Peekable<impl Iterator<Item = Place>>, fits: impl Fn(Room) -> bool) -> Self {
        let mut piece = Self::default();
        while let Some(place) = places.next_if(|next| piece.places.is_empty() || fits(piece.room_with(next))) {
            piece.room = piece.room_with(&place);
            piece.places.push(place);
            if piece.places.len().is_multiple_of(RECORDS_A_UNIT) {
                consume_budget().await;
            }
        }
        piece
    }

    fn room_with(&self, next: &Place) -> Room {
        let room = next.as_ref().map_or(Room::default(), |(_, cost)| Room::of(*cost));
        self.room.plus(room)
    }
}
