//! From the first call to the application to the last record.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::checkpoint::position::{Position, RecordPosition};
use crate::consumer::application::Called;
use crate::consumer::backlog::Delivery;
use crate::consumer::shard_consumer::{Interrupted, ShardConsumer};
use crate::consumer::state::{BatchSize, Phase, Trouble};
use crate::event::ShardEvent;
use crate::metrics::{Outcome, Series};
use crate::processor::batch::Batch;
use crate::processor::error_policy::Verdict;
use crate::processor::simple::HandlerForm;
use crate::record::Record;
use crate::retrieval::pacer::PacerConfig;
use crate::retrieval::polling::{CLOCK_TOLERANCE, Poller, PollerConfig};
use crate::retrieval::source::{Arrival, ReadAhead};
use crate::shard_sync::end_evidence::Hold;
use crate::spans::{batch_span, within};
use crate::stream::{Incarnation, StartingPosition};

/// The wait before a source that has panicked is started again. Our choice.
const AFTER_A_PANIC: Duration = Duration::from_secs(1);

impl ShardConsumer {
    /// Makes the processor, and initialises it.
    pub(super) async fn initialize(&mut self) -> Result<(), Interrupted> {
        self.check()?;
        let context = self.context();
        let mut processor = match self.processor.take() {
            Some(processor) => processor,
            None => match self.application.make(|| (self.parts.factory)(&context)) {
                Ok(processor) => processor,
                Err(error) => {
                    self.on_failure(error, Vec::new()).await?;
                    return Ok(());
                }
            },
        };
        let begun = self.parts.clock.now();
        let called = self.application.call(processor.initialize(&context)).await;
        self.observer.took(Series::InitializeTime, begun);
        self.processor = Some(processor);
        match called {
            Called::Returned(Ok(())) => {
                self.succeeded(None);
                self.state.enter(Phase::Reading);
                Ok(())
            }
            Called::Returned(Err(error)) => self.on_failure(error, Vec::new()).await,
            Called::Dropped => Err(Interrupted::CallDropped),
        }
    }

    /// Delivers the next records, or reads more.
    pub(super) async fn read(&mut self, size: BatchSize) -> Result<(), Interrupted> {
        // Before anything is taken out of the backlog: it would be lost.
        self.check()?;
        let at_most = match size {
            BatchSize::Configured => self.parts.config.max_batch_records,
            BatchSize::OneRecord => 1,
        };
        if self.give_up_the_named_one().await? || self.has_passed_the_isolated() {
            return Ok(());
        }
        let in_front = self.state.gives_up().map(|(named, _)| named);
        if let Some(delivery) = self.backlog.next_in_front_of(in_front, at_most, &self.position()) {
            return self.deliver(delivery).await;
        }
        if self.on_hold == Some(Hold::PossibleLoss) {
            self.wait(None).await;
            return Ok(());
        }
        let source = match &mut self.source {
            Some(source) => source,
            None => {
                let s = self.start_reading();
                self.source.insert(s)
            }
        };
        let arrival = tokio::select! {
            biased;
            signal = self.guard.interrupted() => return Err(self.heard.hear(signal)),
            Ok(()) = self.ports.wishes.changed() => return Err(Interrupted::BySignal),
            Some(request) = self.ports.requests.recv() => {
                self.take_up(request);
                return Err(Interrupted::BySignal);
            }
            arrival = source.next() => arrival,
        };
        self.on_arrival(arrival).await
    }

    async fn on_arrival(&mut self, arrival: Option<Arrival>) -> Result<(), Interrupted> {
        match arrival {
            Some(Arrival::Page(page)) => {
                self.mark(&page.stream).await;
                self.on_hold = None;
                self.note_the_oldest(&page);
                self.ports.board.lag(page.lag);
                if page.records.is_empty() {
                    if page.lag == Some(Duration::ZERO) {
                        self.end_skip_at_the_tip();
                    }
                    self.note_idle(page.asked_at, page.lag).await;
                    return self.idle().await;
                }
                self.backlog.put(page);
                Ok(())
            }
            Some(Arrival::Hold(hold)) => {
                self.on_hold = Some(hold);
                self.end_skip();
                self.look_for_a_correction(hold).await
            }
            Some(Arrival::PossibleLoss(loss)) => {
                self.on_possible_loss(loss);
                Ok(())
            }
            Some(Arrival::End(children)) => {
                self.children = children;
                self.stop_reading();
                self.end_isolation();
                self.state.enter(Phase::Ending);
                Ok(())
            }
            // The source panicked, a fault of this library: reading begins again behind what was delivered.
            None => {
                self.observer.tell(ShardEvent::SourcePanicked);
                self.stop_reading();
                self.wait(Some(self.parts.clock.now() + AFTER_A_PANIC)).await;
                Ok(())
            }
        }
    }

    /// Notes in the row of which stream it is, if it does not say so yet. The service has read the shard by the row's
    /// checkpoint, so that is certain.
    async fn mark(&mut self, stream: &Incarnation) {
        let marked = &mut self.lease.own.stream;
        if !marked.is_known() && stream.is_known() {
            *marked = stream.clone();
            self.parts.renewer.set_stream(&self.ownership, stream.clone()).await;
        }
    }

    async fn deliver(&mut self, delivery: Delivery) -> Result<(), Interrupted> {
        let Delivery { records, lag, room } = delivery;
        let Some(last) = records.last().map(|record| record.position().clone()) else {
            return Ok(());
        };
        let (count, before) = (records.len(), self.checkpointer.reached());
        let uncounted = self.uncounted(&records);
        self.note_delivered(&last, &records);
        let batch = Batch {
            records,
            lag,
            lease: self.guard.clone(),
            _room: room,
        };
        let Some(processor) = &mut self.processor else {
            return Ok(());
        };
        let span = batch_span(&self.parts.group, &self.shard, count);
        let process = within(&span, processor.process(batch, &self.checkpointer));
        let begun = self.parts.clock.now();
        let called = self.application.call(process).await;
        self.observer.ended(Outcome::PROCESS, begun, &called.succeeded(&span));
        let result = match called {
            Called::Returned(result) => result,
            Called::Dropped => {
                self.checkpointer.failed();
                self.count_checkpointed_behind(&before, count);
                return Err(Interrupted::CallDropped);
            }
        };
        self.ports.board.checkpoint(self.checkpointer.last());
        let Err(error) = result else {
            self.checkpointer.processed();
            self.backlog.processed();
            if self.has_caught_up(Some(&last)) {
                self.succeeded(Some(&last));
            }
            self.count_processed(uncounted, &last);
            self.done = Position::At(last);
            self.checkpoint_by_itself().await;
            return Ok(());
        };
        self.keep_from_checkpoints(&last);
        if self.checkpointer.reached() > before {
            self.state.on_progress();
            self.count_checkpointed_behind(&before, count);
        }
        if self.parts.config.form == HandlerForm::EachRecord && error.verdict().is_none() {
            // It has stopped between two records, because the lease is lost or drained: that is no failure.
            self.check()?;
        }
        let unit = match self.parts.config.form {
            HandlerForm::Processor | HandlerForm::EachBatch => count,
            HandlerForm::EachRecord => 1,
        };
        let failing = match self.rewind(&error, Position::At(last.clone())) {
            Some(records) => records,
            None => self.records_again(unit, &last),
        };
        self.on_failure(error, failing).await
    }

    fn note_delivered(&mut self, last: &RecordPosition, records: &[Record]) {
        self.checkpointer.delivered(last);
        self.note_replayed(records);
        self.note_skipping(records);
    }

    /// The number of these records that are not counted yet, and their bytes.
    fn uncounted(&self, records: &[Record]) -> (usize, usize) {
        let counted = self.counted.as_ref();
        let is_counted = |record: &&Record| counted.is_some_and(|counted| record.position() <= counted);
        let uncounted = records.iter().skip_while(is_counted);
        let add = |(count, bytes), record: &Record| (count + 1, bytes + record.data().len());
        uncounted.fold((0, 0), add)
    }

    /// Counts records as processed, the last one of which is `last`.
    fn count_processed(&mut self, (records, bytes): (usize, usize), last: &RecordPosition) {
        self.observer.add(Series::RecordsProcessed, records as f64);
        self.observer.add(Series::DataBytesProcessed, bytes as f64);
        if self.counted.as_ref().is_none_or(|counted| counted < last) {
            self.counted = Some(last.clone());
        }
    }

    /// Counts the records that a failed call with `count` of them has checkpointed: they are not delivered again. Everything up
    /// to `before` was checkpointed already.
    fn count_checkpointed_behind(&mut self, before: &Position, count: usize) {
        let reached = self.checkpointer.reached();
        if reached <= *before {
            return;
        }
        let from = before.clone().max(self.done.clone());
        let mut records = self.backlog.look(count, &from);
        records.retain(|record| Position::At(record.position().clone()) <= reached);
        if let Some(last) = records.last() {
            self.count_processed(self.uncounted(&records), &last.position().clone());
        }
    }

    /// No later checkpoint, of `shutdown_requested` say, may pass over the records of a failed call, of which `_last` is one.
    fn keep_from_checkpoints(&self, _last: &RecordPosition) {
        self.checkpointer.failed();
        #[cfg(feature = "_simulation")]
        if crate::planted_bugs::PlantedBug::CheckpointPastFailure.is_planted() {
            self.checkpointer.delivered(_last);
        }
    }

    /// The records of a failed call that are not checkpointed.
    fn records_again(&mut self, at_most: usize, last: &RecordPosition) -> Vec<Record> {
        let mut records = self.backlog.look(at_most, &self.position());
        records.retain(|record| record.position() <= last);
        records
    }

    /// Tells the application that a read has brought nothing. Its failures hold up no records, and are told at most once in
    /// ten seconds; the next read that brings nothing calls it again.
    async fn idle(&mut self) -> Result<(), Interrupted> {
        // The reply may have been waited for while the machine was suspended, and the lease have lapsed meanwhile.
        self.check()?;
        let Some(processor) = &mut self.processor else {
            return Ok(());
        };
        let result = match self.application.call(processor.idle(&self.checkpointer)).await {
            Called::Returned(result) => result,
            Called::Dropped => return Err(Interrupted::CallDropped),
        };
        self.ports.board.checkpoint(self.checkpointer.last());
        let Err(error) = result else {
            let was_replaying = self.replay.is_some();
            if self.has_caught_up(None) {
                if self.has_run_on() || was_replaying {
                    self.succeeded(None);
                } else if self.state.trouble() == Trouble::None {
                    self.ports.board.error(None);
                }
            }
            self.checkpoint_by_itself().await;
            return Ok(());
        };
        match self.rewind(&error, self.done.clone()) {
            Some(failing) => return self.on_failure(error, failing).await,
            None if error.verdict() == Some(Verdict::Fatal) => return self.on_failure(error, Vec::new()).await,
            None => self.tell_uncounted(&error),
        }
        Ok(())
    }

    /// Everything up to here is processed, passed over, or checkpointed.
    pub(super) fn position(&self) -> Position {
        self.checkpointer.reached().max(self.done.clone())
    }

    /// Checkpoints what is processed, if that is not the handler's task.
    async fn checkpoint_by_itself(&mut self) {
        if self.parts.config.form == HandlerForm::Processor {
            return;
        }
        self.checkpointer.defer();
        let (done, written) = (self.checkpointer.reached(), self.checkpointer.last());
        if self.automatic.is_due(&done, &written, self.parts.clock.now()) {
            self.checkpointer.write_deferred().await;
        }
    }

    /// Stops the source, and drops what was read and not delivered: reading begins again behind what was delivered.
    pub(super) fn stop_reading(&mut self) {
        (self.source, self.on_hold) = (None, None);
        self.backlog.clear();
    }

    fn start_reading(&mut self) -> ReadAhead {
        let from = self.position();
        self.observer.tell(ShardEvent::ReadingBegins { from });
        let config = &self.parts.config;
        let has_read = self.began_at.is_some();
        let (wall_clock, service_time) = (self.parts.calls.wall_clock(), self.parts.table.service_time());
        let began = *self.began_at.get_or_insert(service_time.unwrap_or(wall_clock));
        let (from, timestamp) = match (self.position(), config.start_at) {
            // Records that came while the source was stopped must not be skipped.
            (Position::Latest, _) if has_read => (Position::AtTimestamp, began - CLOCK_TOLERANCE),
            (from, StartingPosition::AtTimestamp(time)) => (from, time),
            (from, StartingPosition::TrimHorizon | StartingPosition::Latest) => (from, SystemTime::UNIX_EPOCH),
        };
        let config = PollerConfig {
            shard: self.shard.clone(),
            observer: self.observer.clone(),
            reads: self.ports.board.reads(),
            from,
            timestamp,
            clock_ahead: service_time
                .and_then(|service_time| wall_clock.duration_since(service_time).ok())
                .unwrap_or_default(),
            idle: self.idle_since(),
            losses: self.losses.clone(),
            on_recreated: config.on_recreated,
            max_records: config.max_records,
            pace: PacerConfig {
                idle: config.idle_time_between_reads,
                read_share: config.read_share,
            },
            rng: self.rng.fork(),
            clock: self.parts.clock.clone(),
        };
        let (calls, surveyor) = (self.parts.calls.clone(), Arc::clone(&self.parts.surveyor));
        let poller = Poller::new(calls, surveyor, self.parts.budget.account(), config);
        ReadAhead::start(poller, &self.parts.tasks)
    }
}
