//! The end of a consumer whose lease is lost, asked for, or given up.

use crate::consumer::application::Called;
use crate::consumer::shard_consumer::{ConsumerEnd, ShardConsumer};
use crate::consumer::state::{Phase, Trouble};
use crate::event::HandlerEvent;
use crate::lease::guard::Signal;
use crate::lease::lost::LeaseLost;
use crate::lease::ownership::{Drain, End};
use crate::metrics::Series;
use crate::processor::BoxProcessor;

impl ShardConsumer {
    /// Lets the application finish, and gives the lease back if it is still held.
    pub(super) async fn leave(&mut self) -> ConsumerEnd {
        self.stop_reading();
        match self.heard.latest(&self.guard) {
            Signal::Drain(Drain::StreamCreatedAgain) => self.lease_is_lost(LeaseLost::StreamCreatedAgain).await,
            Signal::Run | Signal::Drain(Drain::Shutdown | Drain::HandOff { .. }) => self.give_back().await,
            Signal::Lost(end) => self.lease_is_lost(end.into()).await,
        }
    }

    /// Gives the shard up: a call to the application did not end, so nothing more may be asked of its processor.
    pub(super) async fn leave_after_a_dropped_call(&mut self) -> ConsumerEnd {
        self.stop_reading();
        if let Some(processor) = self.processor.take() {
            self.application.drop(processor);
        }
        self.release().await
    }

    async fn give_back(&mut self) -> ConsumerEnd {
        match self.finish_processor().await {
            Ok(()) => self.release().await,
            Err(end) => self.lease_is_lost(end.into()).await,
        }
    }

    /// Lets the processor finish, if it has begun, and drops it.
    ///
    /// # Errors
    ///
    /// The lease is lost, or was meanwhile. The processor is kept, to be told.
    pub(super) async fn finish_processor(&mut self) -> Result<(), End> {
        if let Signal::Lost(end) = self.heard.latest(&self.guard) {
            return Err(end);
        }
        let Some(mut processor) = self.initialised_processor() else {
            return Ok(());
        };
        let begun = self.parts.clock.now();
        let called = self
            .application
            .call(processor.shutdown_requested(&self.checkpointer))
            .await;
        self.observer.took(Series::ShutdownTime, begun);
        let is_dropped = matches!(called, Called::Dropped);
        self.log_failure(called);
        match self.heard.latest(&self.guard) {
            Signal::Lost(end) if !is_dropped => {
                self.processor = Some(processor);
                Err(end)
            }
            Signal::Run | Signal::Drain(_) | Signal::Lost(_) => {
                self.application.drop(processor);
                Ok(())
            }
        }
    }

    pub(super) async fn release(&mut self) -> ConsumerEnd {
        let was_halted = matches!(self.state.trouble(), Trouble::Halted { .. });
        match self.parts.renewer.leave(&self.ownership).await {
            Ok(()) if was_halted => ConsumerEnd::ReleasedHalted,
            Ok(()) => ConsumerEnd::Released,
            Err(_) => ConsumerEnd::LeaseLost,
        }
    }

    pub(super) async fn lease_is_lost(&mut self, reason: LeaseLost) -> ConsumerEnd {
        // The lease must not be renewed while `lease_lost` runs, should an answer have extended it meanwhile.
        self.parts.renewer.give_up(&self.ownership).await;
        if let Some(mut processor) = self.initialised_processor() {
            let told = async {
                processor.lease_lost(reason).await;
                Ok(())
            };
            let begun = self.parts.clock.now();
            let called = self.application.call(Box::pin(told)).await;
            self.observer.took(Series::ShutdownTime, begun);
            self.log_failure(called);
            self.application.drop(processor);
        }
        ConsumerEnd::LeaseLost
    }

    /// The processor, if it is one that has begun: only such a one is told of the end.
    fn initialised_processor(&mut self) -> Option<BoxProcessor> {
        let processor = self.processor.take()?;
        match self.state.phase() {
            Phase::Reading | Phase::Ending => Some(processor),
            Phase::WaitingForParents | Phase::Initializing | Phase::Ended => {
                self.application.drop(processor);
                None
            }
        }
    }

    fn log_failure(&self, called: Called) {
        if let Called::Returned(Err(error)) = called {
            self.observer.tell(HandlerEvent::Failed {
                error: self.application.text(&error),
                failures: self.state.attempts() + 1,
                position: None,
                repeated: 0,
            });
        }
    }
}
