//! Many records in one call, with one wait for room.

use super::Producer;
use crate::budget::Room;
use crate::error::PutError;
use crate::receipt::Receipt;
use crate::record::Record;

impl Producer {
    /// Accepts many records, after waiting once for the room that all of them need. The answers come in the order of the
    /// records: for each a [`Receipt`], or why that record was not accepted.
    ///
    /// A record that breaks a rule is refused alone; the others are accepted. A batch larger than the whole
    /// [`Budget`](crate::Budget) goes in pieces, each as large as the budget allows and each with a wait of its own.
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
    /// all of its records are accepted, or none.
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
        let mut answers = Vec::new();
        let mut piece = Piece::default();
        for place in places {
            let place = place.and_then(|record| self.admit(&record).map(|cost| (record, cost)));
            if let Ok((_, cost)) = place {
                if !self.shared.template.budget.is_enough_for(piece.room_with(cost)) {
                    answers.extend(self.put_piece(std::mem::take(&mut piece)).await);
                }
                piece.room = piece.room_with(cost);
            }
            piece.places.push(place);
        }
        answers.extend(self.put_piece(piece).await);
        answers
    }

    /// Accepts a piece as a whole. There is no await behind its wait for room.
    async fn put_piece(&self, piece: Piece) -> Vec<Result<Receipt, PutError>> {
        let mut permit = self.acquire(piece.room).await;
        let answer = |place| {
            let (record, cost) = place?;
            match &mut permit {
                Ok(permit) => self.shared.append(record, permit.split_record(cost)),
                Err(closed) => Err(self.shared.refuse(closed.clone(), record)),
            }
        };
        piece.places.into_iter().map(answer).collect()
    }
}

/// A part of a batch that waits for its room at once, in the order of its records.
#[derive(Debug, Default)]
struct Piece {
    places: Vec<Result<(Record, usize), PutError>>,
    room: Room,
}

impl Piece {
    fn room_with(&self, cost: usize) -> Room {
        self.room.plus(Room::of(cost))
    }
}
