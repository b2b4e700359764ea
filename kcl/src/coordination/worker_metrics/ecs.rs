//! Pure: the use of CPU of a container in ECS, by version 4 of the task metadata endpoint.
//!
//! The endpoint is the address in `ECS_CONTAINER_METADATA_URI_V4`. `/stats` below it has the use of CPU of the container by
//! Docker, now and a second before; `/task` has the shares of all containers and the limit of the task.
//!
//! ```text
//!  allowed = shares of the container / shares of all containers × CPUs of the task
//!  percent = used by the container / used by the machine × CPUs of the machine / allowed × 100
//! ```
//!
//! Source: amazon-kinesis-client 3.5, `EcsCpuWorkerMetric`; Amazon ECS developer guide, task metadata endpoint version 4.

use serde_json::Value;

use super::SampleError;

/// Below the address of the endpoint.
pub(crate) const STATS: &str = "/stats";

/// Below the address of the endpoint.
pub(crate) const TASK: &str = "/task";

/// Percent of the CPUs that the container may use, in the last second; at most 100.
///
/// 100 if the machine has used no CPU meanwhile, and 0 if there are no figures of a second before, as in a container that has
/// just begun.
///
/// # Errors
///
/// If a reply is not JSON or lacks a figure.
pub(crate) fn percent(stats: &str, task: &str) -> Result<f64, SampleError> {
    let (stats, task) = (parse(STATS, stats)?, parse(TASK, task)?);
    let figure = |path| number(&stats, path).ok_or_else(|| lacks(STATS, path));
    let before = ["/precpu_stats/cpu_usage/total_usage", "/precpu_stats/system_cpu_usage"];
    let [Some(used_before), Some(machine_before)] = before.map(|path| number(&stats, path)) else {
        return Ok(0.0);
    };
    let used = figure("/cpu_stats/cpu_usage/total_usage")? - used_before;
    let machine = figure("/cpu_stats/system_cpu_usage")? - machine_before;
    let cpus = figure("/cpu_stats/online_cpus")?;
    let allowed = allowed(&stats, &task)?;
    if machine <= 0.0 {
        return Ok(100.0);
    }
    Ok((used / machine * cpus / allowed * 100.0).clamp(0.0, 100.0))
}

/// How many CPUs the container may use; more than 0.
fn allowed(stats: &Value, task: &Value) -> Result<f64, SampleError> {
    let text = |value: &Value, path| value.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let id = text(stats, "/id").ok_or_else(|| lacks(STATS, "/id"))?;
    let containers = task.pointer("/Containers").and_then(Value::as_array);
    let containers = containers.ok_or_else(|| lacks(TASK, "/Containers"))?;
    let shares = |container: &Value| number(container, LIMIT).unwrap_or(0.0);
    let is_mine = |container: &&Value| text(container, "/DockerId").as_ref() == Some(&id);
    let mine = containers.iter().find(is_mine).map(shares);
    let mine = mine.ok_or_else(|| SampleError::malformed(TASK, format!("it lacks the container {id}")))?;
    let all: f64 = containers.iter().map(shares).sum();
    let cpus = number(task, LIMIT).ok_or_else(|| lacks(TASK, LIMIT))?;
    let allowed = mine / all * cpus;
    let is_usable = allowed.is_finite() && allowed > 0.0;
    is_usable
        .then_some(allowed)
        .ok_or_else(|| SampleError::malformed(TASK, "the container has no share of CPU"))
}

/// The limit of CPU, in a task and in a container.
const LIMIT: &str = "/Limits/CPU";

fn parse(what: &'static str, text: &str) -> Result<Value, SampleError> {
    serde_json::from_str(text).map_err(|error| SampleError::malformed(what, format!("it is not JSON: {error}")))
}

fn number(value: &Value, path: &str) -> Option<f64> {
    value.pointer(path)?.as_f64()
}

fn lacks(what: &'static str, path: &str) -> SampleError {
    SampleError::malformed(what, format!("it lacks {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(used: u64, machine: u64) -> String {
        format!(
            r#"{{"id": "c1", "cpu_stats": {{"cpu_usage": {{"total_usage": {used}}}, "system_cpu_usage": {machine}, "online_cpus": 2}},
                "precpu_stats": {{"cpu_usage": {{"total_usage": 100}}, "system_cpu_usage": 1000}}}}"#
        )
    }

    const TWO_CONTAINERS: &str = r#"{"Limits": {"CPU": 0.5, "Memory": 512}, "Containers":
        [{"DockerId": "c0", "Limits": {"CPU": 30}}, {"DockerId": "c1", "Limits": {"CPU": 10}}]}"#;

    #[test]
    fn the_use_of_cpu_is_measured_against_the_share_of_the_container_in_its_task() {
        // 5 of 200 on 2 CPUs are 0.05 CPUs; a fourth of 0.5 CPUs is 0.125.
        let measured = percent(&stats(105, 1_200), TWO_CONTAINERS).unwrap();
        assert!((measured - 40.0).abs() < 1e-9, "{measured}");
    }

    #[test]
    fn more_than_the_share_counts_as_100() {
        assert_eq!(percent(&stats(500, 1_200), TWO_CONTAINERS), Ok(100.0));
    }

    #[test]
    fn a_machine_that_used_no_cpu_counts_as_100() {
        assert_eq!(percent(&stats(105, 1_000), TWO_CONTAINERS), Ok(100.0));
    }

    #[test]
    fn a_container_that_has_just_begun_counts_as_0() {
        let text =
            r#"{"id": "c1", "cpu_stats": {"cpu_usage": {"total_usage": 5}, "online_cpus": 2}, "precpu_stats": {}}"#;
        assert_eq!(percent(text, TWO_CONTAINERS), Ok(0.0));
    }

    #[test]
    fn a_reply_without_a_figure_says_what_it_lacks() {
        let no_limit = TWO_CONTAINERS.replace("\"CPU\": 0.5, ", "");
        let error = percent(&stats(105, 1_200), &no_limit).unwrap_err();
        assert!(error.to_string().contains("it lacks /Limits/CPU"), "{error}");
        let other = TWO_CONTAINERS.replace("c1", "c2");
        assert!(percent(&stats(105, 1_200), &other).is_err());
        assert!(percent("no", TWO_CONTAINERS).is_err());
        let no_share = TWO_CONTAINERS.replace("10", "0");
        assert!(percent(&stats(105, 1_200), &no_share).is_err());
    }
}
