//! Pure: which source of CPU suits the machine.
//!
//! The first that applies: ECS, a Kubernetes pod as in EKS, EC2. On other machines no metric is measured.
//!
//! Source: amazon-kinesis-client 3.5, `WorkerMetricsSelector`.

/// The variables of the environment that name the metadata endpoint of ECS, the preferred one first. The KCL's.
pub(crate) const ECS_VARIABLES: [&str; 2] = ["ECS_CONTAINER_METADATA_URI_V4", "ECS_CONTAINER_METADATA_URI"];

/// A file that every Kubernetes pod with a service account has. The KCL's.
pub(crate) const POD_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// A file that exists where control groups are of version 2.
///
/// Source: the kernel's documentation of control groups.
pub(crate) const CGROUP_V2_FILE: &str = "/sys/fs/cgroup/cgroup.controllers";

/// What was found out of the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    /// The values of [`ECS_VARIABLES`], in their order.
    pub(crate) ecs: [Option<String>; 2],
    pub(crate) files: Vec<&'static str>,
    /// Whether the instance metadata service of EC2 answers. The answer takes seconds where there is none, so it is asked
    /// last.
    pub(crate) is_ec2: bool,
    pub(crate) system: System,
}

/// The operating system, as far as it matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum System {
    Linux,
    /// Its use of CPU cannot be read.
    #[default]
    Other,
}

/// Where CPU is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Platform {
    /// By the metadata endpoint of ECS.
    Ecs {
        endpoint: String,
    },
    CgroupV2,
    CgroupV1,
    /// By `/proc/stat`.
    Ec2,
    Unknown,
}

impl Platform {
    pub(crate) fn of(machine: &Machine) -> Self {
        let has = |file| machine.files.contains(&file);
        let endpoint = machine.ecs.iter().flatten().find(|endpoint| !endpoint.is_empty());
        match endpoint {
            Some(endpoint) => Self::Ecs {
                endpoint: endpoint.clone(),
            },
            None if machine.system == System::Other => Self::Unknown,
            None if has(POD_FILE) && has(CGROUP_V2_FILE) => Self::CgroupV2,
            None if has(POD_FILE) => Self::CgroupV1,
            None if machine.is_ec2 => Self::Ec2,
            None => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linux(ecs: Option<&str>, files: &[&'static str]) -> Machine {
        Machine {
            ecs: [None, ecs.map(str::to_owned)],
            files: files.to_vec(),
            is_ec2: true,
            system: System::Linux,
        }
    }

    #[test]
    fn ecs_goes_before_a_pod_and_a_pod_before_an_instance() {
        let endpoint = "http://169.254.170.2/v3/a".to_owned();
        let files = [POD_FILE, CGROUP_V2_FILE];
        assert_eq!(
            Platform::of(&linux(Some(&endpoint), &files)),
            Platform::Ecs { endpoint }
        );
        assert_eq!(Platform::of(&linux(None, &files)), Platform::CgroupV2);
        assert_eq!(Platform::of(&linux(None, &[POD_FILE])), Platform::CgroupV1);
        assert_eq!(Platform::of(&linux(None, &[CGROUP_V2_FILE])), Platform::Ec2);
    }

    #[test]
    fn the_endpoint_of_version_4_goes_before_that_of_version_3() {
        assert!(ECS_VARIABLES.map(|name| name.ends_with("V4")) == [true, false]);
        let ecs = ["v4", "v3"].map(|endpoint| Some(endpoint.to_owned()));
        let machine = Machine {
            ecs,
            ..Machine::default()
        };
        assert_eq!(
            Platform::of(&machine),
            Platform::Ecs {
                endpoint: "v4".to_owned()
            }
        );
    }

    #[test]
    fn any_other_machine_has_no_metrics() {
        let elsewhere = Machine {
            is_ec2: false,
            ..linux(Some(""), &[])
        };
        assert_eq!(Platform::of(&elsewhere), Platform::Unknown);
        let no_linux = Machine {
            system: System::Other,
            ..linux(None, &[POD_FILE])
        };
        assert_eq!(Platform::of(&no_linux), Platform::Unknown);
    }
}
