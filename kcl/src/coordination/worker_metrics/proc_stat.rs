//! Pure: the use of CPU by `/proc/stat`.
//!
//! Source: amazon-kinesis-client 3.5, `Ec2CpuWorkerMetric`; proc_stat(5).

use super::SampleError;

/// The file.
pub(crate) const FILE: &str = "/proc/stat";

/// The use of CPU of a whole machine since the sample before.
#[derive(Debug, Default)]
pub(crate) struct MachineCpu {
    before: Option<Ticks>,
}

/// How long the CPUs have worked and idled since the machine began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    total: u64,
    idle: u64,
}

impl MachineCpu {
    /// Percent since the sample before, of all CPUs. 0 for the first sample, and if no time has passed.
    ///
    /// # Errors
    ///
    /// If `stat` is not the text of `/proc/stat`.
    pub(crate) fn sample(&mut self, stat: &str) -> Result<f64, SampleError> {
        let now = Ticks::parse(stat)?;
        let before = self.before.replace(now).unwrap_or(now);
        let total = now.total.saturating_sub(before.total);
        let idle = now.idle.saturating_sub(before.idle).min(total);
        if total == 0 {
            return Ok(0.0);
        }
        Ok((total - idle) as f64 / total as f64 * 100.0)
    }
}

impl Ticks {
    fn parse(stat: &str) -> Result<Self, SampleError> {
        let malformed = || {
            let line = stat.lines().next().unwrap_or_default();
            SampleError::malformed(FILE, format!("the first line is {line:?}"))
        };
        let mut words = stat.lines().next().unwrap_or_default().split_ascii_whitespace();
        if words.next() != Some("cpu") {
            return Err(malformed());
        }
        let numbers: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
        let [user, nice, system, idle, waiting, ..] = numbers[..] else {
            return Err(malformed());
        };
        let total = [user, nice, system, idle, waiting]
            .into_iter()
            .fold(0, u64::saturating_add);
        Ok(Self { total, idle })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(line: &str) -> String {
        format!("{line}\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 1\n")
    }

    #[test]
    fn the_use_of_cpu_is_the_share_of_the_time_since_the_sample_before_that_was_not_idle() {
        let mut cpu = MachineCpu::default();
        assert_eq!(cpu.sample(&stat("cpu  100 0 50 800 50 7 7 0 0 0")), Ok(0.0));
        assert_eq!(cpu.sample(&stat("cpu  110 5 60 840 85 9 9 0 0 0")), Ok(60.0));
    }

    #[test]
    fn a_sample_without_time_since_the_one_before_is_0() {
        let mut cpu = MachineCpu::default();
        for _ in 0..2 {
            assert_eq!(cpu.sample(&stat("cpu 1 1 1 1 1")), Ok(0.0));
        }
    }

    #[test]
    fn a_text_that_does_not_begin_with_the_line_of_all_cpus_is_an_error() {
        for text in ["", "cpu0 1 2 3 4 5", "cpu 1 2 3 4", "cpu 1 2 x 4 5", "cpu"] {
            assert!(MachineCpu::default().sample(text).is_err(), "{text:?}");
        }
    }
}
