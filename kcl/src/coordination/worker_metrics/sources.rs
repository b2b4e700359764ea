//! The sources of CPU: they read the machine, and leave the arithmetic to the pure files.

use std::fmt;
use std::future::ready;
use std::path::{Path, PathBuf};
use std::time::Instant;

use futures::future::BoxFuture;

use super::cgroup::{CgroupFiles, ContainerCpu};
use super::platform::{CGROUP_V2_FILE, Machine, POD_FILE, Platform, System};
use super::proc_stat::MachineCpu;
use super::{CPU, CPU_LIMIT, MetricSource, SampleError, ecs, proc_stat};

/// The sources that suit this machine. ECS and EC2 are asked over the network, and that is not done here: on them no metric is
/// measured.
pub(crate) fn of_this_machine() -> Vec<Box<dyn MetricSource>> {
    let machine = Machine {
        files: [POD_FILE, CGROUP_V2_FILE]
            .into_iter()
            .filter(|file| Path::new(file).exists())
            .collect(),
        system: if cfg!(target_os = "linux") {
            System::Linux
        } else {
            System::Other
        },
        ..Machine::default()
    };
    match Platform::of(&machine) {
        Platform::CgroupV2 => vec![Box::new(CgroupCpu::new(CgroupVersion::V2))],
        Platform::CgroupV1 => vec![Box::new(CgroupCpu::new(CgroupVersion::V1))],
        Platform::Ec2 => vec![Box::new(ProcStatCpu::default())],
        Platform::Ecs { .. } | Platform::Unknown => Vec::new(),
    }
}

/// CPU of the whole machine, by `/proc/stat`.
#[derive(Debug)]
pub(crate) struct ProcStatCpu {
    file: PathBuf,
    cpu: MachineCpu,
}

/// CPU of a container, by its control group.
#[derive(Debug)]
pub(crate) struct CgroupCpu {
    root: PathBuf,
    version: CgroupVersion,
    cpu: ContainerCpu,
}

/// The version of control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CgroupVersion {
    V1,
    V2,
}

/// CPU of a container in ECS.
#[derive(Debug)]
pub(crate) struct EcsCpu<M> {
    metadata: M,
}

/// Reads the metadata endpoint of ECS.
///
/// The endpoint is plain HTTP at a link-local address. The library brings no HTTP client of its own for it: one over the
/// connector of the SDK, or one of the application, is handed in.
pub(crate) trait EcsMetadata: fmt::Debug + Send {
    /// The reply to a GET of `path` below the endpoint, such as `/stats`.
    ///
    /// # Errors
    ///
    /// The problem as text, if there is no reply with a status of success.
    fn get(&self, path: &'static str) -> BoxFuture<'_, Result<String, String>>;
}

impl Default for ProcStatCpu {
    fn default() -> Self {
        Self {
            file: PathBuf::from(proc_stat::FILE),
            cpu: MachineCpu::default(),
        }
    }
}

impl CgroupCpu {
    /// The container in which this process runs, as it sees its control group.
    pub(crate) fn new(version: CgroupVersion) -> Self {
        Self::below(PathBuf::from("/sys/fs/cgroup"), version)
    }

    fn below(root: PathBuf, version: CgroupVersion) -> Self {
        let cpu = ContainerCpu::default();
        Self { root, version, cpu }
    }

    fn measure(&mut self, now: Instant) -> Result<f64, SampleError> {
        let file = |name: &str| read(&self.root.join(name));
        match self.version {
            CgroupVersion::V2 => {
                let (stat, max, cpus) = (file("cpu.stat")?, file("cpu.max")?, file("cpuset.cpus.effective")?);
                let (stat, max, cpus) = (&stat, &max, &cpus);
                self.cpu.sample(CgroupFiles::V2 { stat, max, cpus }, now)
            }
            CgroupVersion::V1 => {
                let (usage, cpus) = (file("cpuacct/cpuacct.usage")?, file("cpuset/cpuset.effective_cpus")?);
                let (quota, period) = (file("cpu/cpu.cfs_quota_us")?, file("cpu/cpu.cfs_period_us")?);
                let files = CgroupFiles::V1 {
                    usage: &usage,
                    quota: &quota,
                    period: &period,
                    cpus: &cpus,
                };
                self.cpu.sample(files, now)
            }
        }
    }
}

impl<M: EcsMetadata + Sync> EcsCpu<M> {
    pub(crate) fn new(metadata: M) -> Self {
        Self { metadata }
    }

    async fn get(&self, path: &'static str) -> Result<String, SampleError> {
        let reply = self.metadata.get(path).await;
        reply.map_err(|problem| SampleError::Unreadable {
            what: path.to_owned(),
            problem,
        })
    }
}

impl MetricSource for ProcStatCpu {
    fn name(&self) -> &str {
        CPU
    }

    fn limit(&self) -> u32 {
        CPU_LIMIT
    }

    fn sample(&mut self, _: Instant) -> BoxFuture<'_, Result<f64, SampleError>> {
        let stat = read(&self.file);
        Box::pin(ready(stat.and_then(|stat| self.cpu.sample(&stat))))
    }
}

impl MetricSource for CgroupCpu {
    fn name(&self) -> &str {
        CPU
    }

    fn limit(&self) -> u32 {
        CPU_LIMIT
    }

    fn sample(&mut self, now: Instant) -> BoxFuture<'_, Result<f64, SampleError>> {
        Box::pin(ready(self.measure(now)))
    }
}

impl<M: EcsMetadata + Sync> MetricSource for EcsCpu<M> {
    fn name(&self) -> &str {
        CPU
    }

    fn limit(&self) -> u32 {
        CPU_LIMIT
    }

    fn sample(&mut self, _: Instant) -> BoxFuture<'_, Result<f64, SampleError>> {
        Box::pin(async move {
            let stats = self.get(ecs::STATS).await?;
            ecs::percent(&stats, &self.get(ecs::TASK).await?)
        })
    }
}

/// Reads a small file that is made by the kernel, which does not block.
fn read(file: &Path) -> Result<String, SampleError> {
    std::fs::read_to_string(file).map_err(|error| SampleError::Unreadable {
        what: file.display().to_string(),
        problem: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]

    use futures::FutureExt as _;

    use super::*;

    #[derive(Debug)]
    struct NoEndpoint;

    impl EcsMetadata for NoEndpoint {
        fn get(&self, _: &'static str) -> BoxFuture<'_, Result<String, String>> {
            Box::pin(ready(Err("connection refused".to_owned())))
        }
    }

    fn sample(source: &mut dyn MetricSource) -> Result<f64, SampleError> {
        source.sample(Instant::now()).now_or_never().unwrap()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_cpu_of_this_machine_is_between_0_and_100_percent() {
        let mut source = ProcStatCpu::default();
        assert_eq!((source.name(), source.limit()), ("C", 100));
        assert_eq!(sample(&mut source), Ok(0.0));
        let percent = sample(&mut source).unwrap();
        assert!((0.0..=100.0).contains(&percent), "{percent}");
    }

    #[test]
    fn a_machine_without_the_files_is_an_error_that_names_one() {
        for version in [CgroupVersion::V1, CgroupVersion::V2] {
            let source = CgroupCpu::new(version);
            assert_eq!((source.name(), source.limit()), ("C", 100));
            let mut source = CgroupCpu::below(PathBuf::from("/nowhere"), version);
            let error = sample(&mut source).unwrap_err();
            assert!(error.to_string().starts_with("/nowhere/cpu"), "{error}");
        }
    }

    #[test]
    fn an_endpoint_that_does_not_answer_is_an_error_with_its_problem() {
        let mut source = EcsCpu::new(NoEndpoint);
        assert_eq!((source.name(), source.limit()), ("C", 100));
        let error = sample(&mut source).unwrap_err();
        assert_eq!(error.to_string(), "/stats cannot be read: connection refused");
    }
}
