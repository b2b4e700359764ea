//! Pure: a worker's samples, and the metrics row that is made of them.
//!
//! Each second a sample is taken of each source, and kept in a ring. Each 30 s the ring is emptied into one value: the mean, or
//! −1 without a good sample. The row has the ten latest values of each metric, so that it tells of five minutes.
//!
//! | | metric | newest value |
//! |---|---|---|
//! | no sample was ever good | is not in the row | |
//! | a sample of the last 30 s was good | is in the row | the mean of the good ones |
//! | none was | is in the row | −1 |
//!
//! Source: amazon-kinesis-client 3.5, `WorkerMetricStatsManager` and `WorkerMetricStatsReporter`. That a source which never worked is left out is ours.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use super::SampleError;
use crate::coordination::rows::WorkerMetrics;
use crate::coordination::rows::metrics::FAILED;
use crate::lease::model::WorkerId;

/// Between two samples. The KCL's.
pub(crate) const CAPTURE: Duration = Duration::from_secs(1);

/// Between two reports. The KCL's.
pub(crate) const REPORT: Duration = Duration::from_secs(30);

/// From the start to the first report. The KCL's.
const FIRST_REPORT: Duration = Duration::from_secs(2);

/// The samples that are kept of each source between two reports. The KCL's.
const SAMPLES: usize = 300;

/// The values of each metric in the row. The KCL's.
const VALUES: usize = 10;

/// The changes of the protocol that this library takes part in: the one to a single table. The KCL's.
const SUPPORT_CODE: u64 = 1;

/// Whose row it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetricsIdentity {
    pub(crate) worker: WorkerId,
    /// When the process began, by the time of the table's service.
    pub(crate) started: SystemTime,
    /// The most leases that it may have. `None`: any number.
    pub(crate) max_leases: Option<usize>,
}

/// The samples of one worker.
#[derive(Debug)]
pub(crate) struct Recorder {
    identity: MetricsIdentity,
    metrics: BTreeMap<String, Metric>,
    next_capture: Instant,
    next_report: Instant,
}

#[derive(Debug)]
struct Metric {
    limit: u32,
    samples: VecDeque<f64>,
    /// Oldest first. Empty until a sample was good.
    values: VecDeque<f64>,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Take a sample of each source.
    Capture,
    /// Write the row.
    Report,
}

impl Recorder {
    /// The recorder of metrics by their names, with the tops of their operating ranges in percent.
    pub(crate) fn new<'a>(
        identity: MetricsIdentity,
        metrics: impl IntoIterator<Item = (&'a str, u32)>,
        now: Instant,
        rng: &mut fastrand::Rng,
    ) -> Self {
        let metric = |(name, limit): (&str, u32)| (name.to_owned(), Metric::new(limit));
        Self {
            identity,
            metrics: metrics.into_iter().map(metric).collect(),
            next_capture: now + CAPTURE.mul_f64(rng.f64()),
            next_report: now + FIRST_REPORT,
        }
    }

    /// When [`next`](Self::next) has work.
    pub(crate) fn next_at(&self) -> Instant {
        if self.metrics.is_empty() {
            return self.next_report;
        }
        self.next_capture.min(self.next_report)
    }

    /// What is due now. Samples that were missed are not made up for.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Work> {
        if now < self.next_at() {
            return None;
        }
        if now >= self.next_report {
            // At a fixed rate, unless a whole period was missed.
            let next = self.next_report + REPORT;
            self.next_report = if next > now { next } else { now + REPORT };
            return Some(Work::Report);
        }
        self.next_capture = now + CAPTURE;
        Some(Work::Capture)
    }

    /// Notes a sample.
    pub(crate) fn sampled(&mut self, name: &str, sample: &Result<f64, SampleError>) {
        let Some(metric) = self.metrics.get_mut(name) else {
            return;
        };
        if let Some(percent) = sample.as_ref().ok().filter(|percent| (0.0..=100.0).contains(*percent)) {
            push(&mut metric.samples, SAMPLES, *percent);
        }
    }

    /// Ends a period and makes the row, which is to be written at once.
    ///
    /// `time` is the time of the table's service; that of this host if no reply of the service has shown it yet.
    pub(crate) fn report(&mut self, time: SystemTime) -> WorkerMetrics {
        let seconds = since_epoch(time).as_secs();
        let mut row = WorkerMetrics::without_metrics(self.identity.worker.clone(), seconds);
        row.support_code = Some(SUPPORT_CODE);
        row.support_updated = Some(seconds);
        row.started_at = u64::try_from(since_epoch(self.identity.started).as_millis()).ok();
        row.max_leases = self.identity.max_leases.and_then(|most| u64::try_from(most).ok());
        let (mut stats, mut ranges) = (BTreeMap::new(), BTreeMap::new());
        for (name, metric) in &mut self.metrics {
            metric.end_period();
            if !metric.values.is_empty() {
                stats.insert(name.clone(), metric.values.iter().copied().collect());
                ranges.insert(name.clone(), vec![u64::from(metric.limit)]);
            }
        }
        (row.stats, row.operating_range) = (Some(stats), Some(ranges));
        row
    }
}

impl Metric {
    fn new(limit: u32) -> Self {
        Self {
            limit: limit.max(1),
            samples: VecDeque::new(),
            values: VecDeque::new(),
        }
    }

    fn end_period(&mut self) {
        let samples = std::mem::take(&mut self.samples);
        if !samples.is_empty() {
            let mean = samples.iter().sum::<f64>() / samples.len() as f64;
            push(&mut self.values, VALUES, (mean * 1e6).round() / 1e6);
        } else if !self.values.is_empty() {
            push(&mut self.values, VALUES, FAILED);
        }
    }
}

fn push(ring: &mut VecDeque<f64>, size: usize, value: f64) {
    if ring.len() >= size {
        ring.pop_front();
    }
    ring.push_back(value);
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn wall(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn recorder(metrics: &[(&'static str, u32)], now: Instant) -> Recorder {
        let identity = MetricsIdentity {
            worker: WorkerId::new("me"),
            started: wall(7) + Duration::from_millis(250),
            max_leases: Some(5),
        };
        Recorder::new(identity, metrics.iter().copied(), now, &mut fastrand::Rng::with_seed(1))
    }

    fn failed() -> Result<f64, SampleError> {
        Err(SampleError::malformed("it", "broken"))
    }

    fn values(row: &WorkerMetrics) -> Vec<f64> {
        row.stats.as_ref().unwrap()["C"].clone()
    }

    #[test]
    fn a_sample_is_taken_each_second_and_the_row_is_written_after_2_s_and_then_each_30_s() {
        let begun = Instant::now();
        let mut recorder = recorder(&[("C", 100)], begun);
        let (mut captures, mut reports) = (0, Vec::new());
        while recorder.next_at() < begun + 65 * SECOND {
            let now = recorder.next_at();
            match recorder.next(now).unwrap() {
                Work::Capture => captures += 1,
                Work::Report => reports.push((now - begun).as_secs()),
            }
            assert_eq!(recorder.next(now), None);
        }
        assert_eq!(reports, [2, 32, 62]);
        assert!((64..=65).contains(&captures), "{captures}");
    }

    #[test]
    fn the_reports_that_a_suspension_has_missed_are_not_made_up_for() {
        let begun = Instant::now();
        let mut recorder = recorder(&[], begun);
        let resumed = begun + 1_000 * SECOND;
        assert_eq!(recorder.next(resumed), Some(Work::Report));
        assert_eq!(recorder.next(resumed), None);
        assert_eq!(recorder.next_at(), resumed + REPORT);
    }

    #[test]
    fn a_value_is_the_mean_of_the_good_samples_of_its_period_to_6_decimals() {
        let mut recorder = recorder(&[("C", 90)], Instant::now());
        for sample in [Ok(1.0), Ok(1.0), failed(), Ok(101.0), Ok(-0.5), Ok(f64::NAN), Ok(0.0)] {
            recorder.sampled("C", &sample);
        }
        let row = recorder.report(wall(100));
        assert_eq!(values(&row), [0.666_667]);
        assert_eq!(row.operating_range.unwrap()["C"], [90]);
        recorder.sampled("C", &Ok(5.0));
        assert_eq!(values(&recorder.report(wall(130))), [0.666_667, 5.0]);
    }

    #[test]
    fn a_period_without_a_good_sample_is_minus_1_once_there_was_one() {
        let mut recorder = recorder(&[("C", 100)], Instant::now());
        recorder.sampled("C", &Ok(5.0));
        recorder.report(wall(100));
        recorder.sampled("C", &failed());
        assert_eq!(values(&recorder.report(wall(130))), [5.0, FAILED]);
    }

    #[test]
    fn a_source_that_never_worked_is_not_reported() {
        let mut recorder = recorder(&[("C", 100)], Instant::now());
        recorder.sampled("C", &failed());
        let row = recorder.report(wall(100));
        assert_eq!(row.stats, Some(BTreeMap::new()));
        assert_eq!(row.operating_range, Some(BTreeMap::new()));
    }

    #[test]
    fn the_row_has_the_ten_latest_values_and_each_is_of_at_most_300_samples() {
        let mut recorder = recorder(&[("C", 100)], Instant::now());
        for _ in 0..300 {
            recorder.sampled("C", &Ok(99.0));
        }
        for value in 1..=12_u8 {
            for _ in 0..300 {
                recorder.sampled("C", &Ok(f64::from(value)));
            }
            recorder.report(wall(100));
        }
        let row = recorder.report(wall(100));
        assert_eq!(values(&row), [4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, FAILED]);
    }

    #[test]
    fn the_row_of_a_worker_without_sources_has_empty_maps_and_says_what_it_takes_part_in() {
        let row = recorder(&[], Instant::now()).report(wall(100) + SECOND / 2);
        let expected = WorkerMetrics {
            support_code: Some(1),
            support_updated: Some(100),
            started_at: Some(7_250),
            max_leases: Some(5),
            ..WorkerMetrics::without_metrics(WorkerId::new("me"), 100)
        };
        assert_eq!(row, expected);
    }
}
