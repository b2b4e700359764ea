//! Pure: the use of CPU of a container, by the files of its control group.
//!
//! | | used so far | allowed |
//! |---|---|---|
//! | v2 | `cpu.stat`, `usage_usec` | `cpu.max`, else `cpuset.cpus.effective` |
//! | v1 | `cpuacct.usage`, nanoseconds | `cpu.cfs_quota_us` by `cpu.cfs_period_us`, else `cpuset.effective_cpus` |
//!
//! Source: amazon-kinesis-client 3.5, `EksCgroupV1CpuWorkerMetric` and `EksCgroupV2CpuWorkerMetric`; the kernel's documentation of control
//! groups.

use std::time::{Duration, Instant};

use super::SampleError;

/// The files of a control group, as text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CgroupFiles<'a> {
    V2 {
        /// `cpu.stat`.
        stat: &'a str,
        /// `cpu.max`.
        max: &'a str,
        /// `cpuset.cpus.effective`.
        cpus: &'a str,
    },
    V1 {
        /// `cpuacct.usage`.
        usage: &'a str,
        /// `cpu.cfs_quota_us`.
        quota: &'a str,
        /// `cpu.cfs_period_us`.
        period: &'a str,
        /// `cpuset.effective_cpus`.
        cpus: &'a str,
    },
}

/// The use of CPU of a container since the sample before.
#[derive(Debug, Default)]
pub(crate) struct ContainerCpu {
    before: Option<(Instant, Duration)>,
}

impl ContainerCpu {
    /// Percent of the CPUs that the container may use, since the sample before; at most 100.
    ///
    /// 0 for the first sample, and if no time has passed.
    ///
    /// # Errors
    ///
    /// If a file has not the form of its version.
    pub(crate) fn sample(&mut self, files: CgroupFiles<'_>, now: Instant) -> Result<f64, SampleError> {
        let (used, allowed) = (files.used()?, files.allowed()?);
        let (then, before) = self.before.replace((now, used)).unwrap_or((now, used));
        let time = now.saturating_duration_since(then).as_secs_f64();
        if time <= 0.0 {
            return Ok(0.0);
        }
        let percent = used.saturating_sub(before).as_secs_f64() / time / allowed * 100.0;
        Ok(percent.min(100.0))
    }
}

impl CgroupFiles<'_> {
    /// The time for which the container has used a CPU.
    fn used(&self) -> Result<Duration, SampleError> {
        match self {
            Self::V2 { stat, .. } => {
                let mut lines = stat.lines().filter_map(|line| line.strip_prefix("usage_usec"));
                let micros = lines.next().ok_or_else(|| malformed("cpu.stat", stat))?;
                number("cpu.stat", micros).map(Duration::from_micros)
            }
            Self::V1 { usage, .. } => number("cpuacct.usage", usage).map(Duration::from_nanos),
        }
    }

    /// How many CPUs the container may use; more than 0.
    fn allowed(&self) -> Result<f64, SampleError> {
        let (quota, period, cpus) = match self {
            Self::V2 { max, cpus, .. } => {
                let (quota, period) = max.trim().split_once(' ').ok_or_else(|| malformed("cpu.max", max))?;
                let limit = (quota != "max").then(|| number("cpu.max", quota)).transpose()?;
                (limit, number("cpu.max", period)?, count("cpuset.cpus.effective", cpus))
            }
            Self::V1 {
                quota, period, cpus, ..
            } => {
                let unlimited = quota.trim() == "-1";
                let limit = (!unlimited).then(|| number("cpu.cfs_quota_us", quota)).transpose()?;
                (
                    limit,
                    number("cpu.cfs_period_us", period)?,
                    count("cpuset.effective_cpus", cpus),
                )
            }
        };
        match quota {
            Some(quota) if quota > 0 && period > 0 => Ok(quota as f64 / period as f64),
            Some(_) => Err(SampleError::malformed("the limit of CPU", "it is 0")),
            None => cpus,
        }
    }
}

/// The number of CPUs in a list such as `0-3,8`.
fn count(what: &'static str, cpus: &str) -> Result<f64, SampleError> {
    let mut count = 0_u64;
    for range in cpus.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (number(what, first)?, number(what, last)?);
        let width = last.checked_sub(first).ok_or_else(|| malformed(what, cpus))?;
        count = count.saturating_add(width).saturating_add(1);
    }
    Ok(count as f64)
}

fn number(what: &'static str, text: &str) -> Result<u64, SampleError> {
    text.trim().parse().map_err(|_| malformed(what, text))
}

fn malformed(what: &'static str, text: &str) -> SampleError {
    SampleError::malformed(what, format!("it holds {text:?}"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

    use super::*;

    fn v2<'a>(stat: &'a str, max: &'a str, cpus: &'a str) -> CgroupFiles<'a> {
        CgroupFiles::V2 { stat, max, cpus }
    }

    fn v1<'a>(usage: &'a str, quota: &'a str) -> CgroupFiles<'a> {
        let (period, cpus) = ("100000\n", "0-1\n");
        CgroupFiles::V1 {
            usage,
            quota,
            period,
            cpus,
        }
    }

    fn second_sample(first: CgroupFiles<'_>, second: CgroupFiles<'_>) -> f64 {
        let (mut cpu, now) = (ContainerCpu::default(), Instant::now());
        assert_eq!(cpu.sample(first, now), Ok(0.0));
        cpu.sample(second, now + Duration::from_secs(2)).unwrap()
    }

    #[test]
    fn version_2_measures_against_the_quota() {
        let first = v2("usage_usec 1000000\nuser_usec 1\n", "200000 100000\n", "0-7\n");
        let second = v2("usage_usec 2000000\nuser_usec 1\n", "200000 100000\n", "0-7\n");
        assert_eq!(second_sample(first, second), 25.0);
    }

    #[test]
    fn version_2_without_a_quota_measures_against_the_cpus_of_the_set() {
        let first = v2("usage_usec 0", "max 100000", "0-2,8");
        let second = v2("usage_usec 4000000", "max 100000", "0-2,8");
        assert_eq!(second_sample(first, second), 50.0);
    }

    #[test]
    fn version_1_measures_nanoseconds_against_the_quota_or_the_set() {
        assert_eq!(second_sample(v1("0", "50000"), v1("500000000\n", "50000")), 50.0);
        assert_eq!(second_sample(v1("0", "-1"), v1("1000000000", "-1\n")), 25.0);
    }

    #[test]
    fn more_than_is_allowed_counts_as_100() {
        assert_eq!(second_sample(v1("0", "50000"), v1("9000000000", "50000")), 100.0);
    }

    #[test]
    fn a_file_of_another_form_is_an_error() {
        let files = [
            v2("user_usec 1", "max 100000", "0"),
            v2("usage_usec x", "max 100000", "0"),
            v2("usage_usec 1", "max", "0"),
            v2("usage_usec 1", "0 100000", "0"),
            v2("usage_usec 1", "max 100000", "3-1"),
            v2("usage_usec 1", "max 100000", ""),
            v1("1", "0"),
        ];
        for files in files {
            assert!(
                ContainerCpu::default().sample(files, Instant::now()).is_err(),
                "{files:?}"
            );
        }
    }
}
