//! Calls to the application that would begin after the lease is lost (C3), though nothing has told the consumer yet.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use kcl::{Batch, Checkpointer, DeadLetter, ErrorPolicy, HandlerError, RecordProcessor};
use testkit::Service;
use testkit::sim::{Fault, Sim};

use super::MINUTE;
use crate::fleet::{Checkpoints, Journal, put, start, stream, worker};

/// Notes when it is called for a read that brought nothing.
struct Idle {
    sim: Sim,
    calls: Arc<Mutex<Vec<SystemTime>>>,
}

impl RecordProcessor for Idle {
    async fn process(&mut self, _: Batch, _: &Checkpointer) -> Result<(), HandlerError> {
        Ok(())
    }
    async fn idle(&mut self, _: &Checkpointer) -> Result<(), HandlerError> {
        self.calls.lock().unwrap().push(self.sim.now());
        Ok(())
    }
}

/// The read that was awaited when the machine stopped is answered after it resumes, before a timer of its own time tells that the
/// lease has lapsed.
#[tokio::test(start_paused = true)]
async fn a_worker_whose_machine_was_suspended_tells_no_processor_that_its_shard_is_idle() {
    for seconds in 0..6 {
        let (sim, _producer) = stream(1);
        let process = sim.process("w1");
        let calls = Arc::new(Mutex::new(Vec::new()));
        let noted = (sim.clone(), Arc::clone(&calls));
        let builder = worker(&sim, "w1", &Journal::default(), Checkpoints::Never)
            .aws(&process.sdk_config())
            .clock(process.clock())
            .wrap_tasks(process.task_wrapper())
            .processor(move |_: &kcl::ShardContext| Idle {
                sim: noted.0.clone(),
                calls: Arc::clone(&noted.1),
            });
        drop(process.spawn(builder.build().unwrap().run()));
        tokio::time::sleep(MINUTE + Duration::from_millis(700 * seconds)).await;
        assert!(!calls.lock().unwrap().is_empty());
        process.suspend();
        tokio::time::sleep(MINUTE).await;
        calls.lock().unwrap().clear();
        process.cut_off(Service::DynamoDb);
        process.resume();
        tokio::time::sleep(MINUTE).await;
        assert_eq!(calls.lock().unwrap().len(), 0, "after {seconds}");
        sim.end();
    }
}

/// Fails after its lease has lapsed, with a record for the dead letters.
struct Late;

impl RecordProcessor for Late {
    async fn process(&mut self, _: Batch, _: &Checkpointer) -> Result<(), HandlerError> {
        tokio::time::sleep(MINUTE / 2).await;
        Err(HandlerError::dead_letter("a bad record"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_after_its_lease_is_lost_sends_no_dead_letter() {
    let (sim, producer) = stream(1);
    put(&producer, 0..10).await;
    let letters = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&letters);
    let sink = move |_letter: DeadLetter| {
        *counted.lock().unwrap() += 1;
        async { Ok(()) }
    };
    let builder = worker(&sim, "w1", &Journal::default(), Checkpoints::Never)
        .processor(|_: &kcl::ShardContext| Late)
        .handler_grace(2 * MINUTE)
        .error_policy(ErrorPolicy::dead_letter(sink));
    let (_control, _running) = start(builder);
    tokio::time::sleep(Duration::from_secs(5)).await;
    sim.faults(|call| match call.service {
        Service::DynamoDb => Fault::RequestHangs,
        Service::Kinesis | Service::CloudWatch => Fault::None,
    });
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(*letters.lock().unwrap(), 0);
}
