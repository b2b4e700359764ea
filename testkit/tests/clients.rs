//! Clients in other languages, which are programs, on the sandbox, which is one here too.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::program::Program;
use crate::wire::{exchange_at, request_of};

#[tokio::test]
#[ignore = "needs boto3 and the AWS CLI; `.ci/run clients` installs them"]
async fn boto3_and_the_aws_cli_make_their_round_trips() {
    let sandbox = Program::start(&[]);
    run(&sandbox, "python3", "round_trips.py");
    run(&sandbox, "sh", "round_trips.sh");

    let request = request_of("GET", "/_testkit/cloudwatch", "", b"");
    let url = &sandbox.environment["AWS_ENDPOINT_URL_CLOUDWATCH"];
    let (_, body) = exchange_at(url.strip_prefix("http://").unwrap().parse().unwrap(), &request).await;
    let recorded: Value = serde_json::from_slice(&body).unwrap();
    let found: Vec<_> = recorded["series"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(
        found,
        [
            json!(["Boto3", {}, 1_001.0, 1_503.0]),
            json!(["Cli", { "Shard": "0" }, 1.0, 3.0]),
        ]
    );
}

fn told(series: &Value) -> Value {
    json!([
        series["namespace"],
        series["dimensions"],
        series["sampleCount"],
        series["sum"]
    ])
}

/// Runs a script with the sandbox's settings, and nothing of this machine's own.
fn run(sandbox: &Program, interpreter: &str, script: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let mut command = Command::new(interpreter);
    command
        .arg(directory.join(script))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("AWS_CONFIG_FILE", "none")
        .env("AWS_SHARED_CREDENTIALS_FILE", "none")
        .envs(&sandbox.environment)
        // Python's SDK knows the region by this name only.
        .env("AWS_DEFAULT_REGION", &sandbox.environment["AWS_REGION"]);
    let output = command.output().unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{script}: {}\n{stdout}\n{stderr}",
        output.status
    );
}
