//! Pure: the form of the handlers and what they fail on, from draws of their own.

use std::time::Duration;

use fastrand::Rng;

use super::variety::one_in;
use crate::scenario::Scenario;
use crate::scenario::application::{Application, Form, How, LastResort, Poison, Policy};

impl Scenario {
    /// Draws how the application handles records, for three of four runs with workers.
    pub(super) fn draw_application(&mut self, rng: &mut Rng) {
        if self.workers == 0 || one_in(4, rng) {
            return;
        }
        let mut application = Application {
            form: rng.choice(Form::ALL).unwrap_or_default(),
            checkpoint_interval: Duration::from_millis(rng.u64(0..8_000)),
            in_flight: rng.usize(2..16),
            window: if rng.bool() { rng.usize(1..30) } else { 10_000 },
            max_batch: rng.bool().then(|| rng.usize(1..20)),
            reaction: Duration::from_millis(rng.u64(0..15_000)),
            sink_refuses: if rng.bool() { 0 } else { rng.u8(1..40) },
            policy: Some(policy(rng)),
            ..Application::default()
        };
        self.draw_poison(&mut application, rng);
        if application.form == Form::Deferring {
            self.handlers.deferred = 100;
        }
        // Handlers that cannot work would have all records passed over.
        if let Some(policy) = &mut application.policy {
            match (policy.last_resort, self.handlers.outage) {
                (LastResort::Halt, Some(outage)) => policy.attempts = outage.retries + 1,
                (LastResort::Halt, None) => {}
                (LastResort::Skip | LastResort::DeadLetter, _) => self.handlers.outage = None,
            }
        }
        self.application = application;
    }

    fn draw_poison(&self, application: &mut Application, rng: &mut Rng) {
        let records = self.load.as_secs() * self.producers as u64;
        for _ in 0..rng.u8(0..=4) {
            let how = rng.choice(HOW).unwrap_or(How::Fails);
            let fails_for_ever = rng.bool() && (how != How::Hangs || application.form == Form::PerKey);
            application.poison.push(Poison {
                record: rng.u64(0..records.max(1)),
                how,
                times: (!fails_for_ever).then(|| rng.u32(1..=3)),
            });
        }
        if application.poison.iter().any(|poison| poison.how == How::Hangs) {
            application.timeout = Some(Duration::from_millis(rng.u64(2_000..15_000)));
        }
    }
}

const HOW: [How; 8] = [
    How::Fails,
    How::Fails,
    How::Fails,
    How::Fatal,
    How::Skips,
    How::DeadLetters,
    How::Panics,
    How::Hangs,
];

fn policy(rng: &mut Rng) -> Policy {
    let last_resort = rng.choice([LastResort::Halt, LastResort::Skip, LastResort::DeadLetter]);
    Policy {
        last_resort: last_resort.unwrap_or(LastResort::Halt),
        attempts: rng.u32(1..=4),
        whole_batches: one_in(3, rng),
    }
}
