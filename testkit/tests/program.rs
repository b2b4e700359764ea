//! The sandbox as a program: what it prints, how it ends, and what it says when it cannot start.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use testkit::sandbox::Sandbox;

/// A running program; killed if its test ends before it.
pub(crate) struct Program {
    child: Child,
    pub(crate) environment: BTreeMap<String, String>,
}

impl Program {
    /// Starts it and waits until it is ready.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let lines = lines.map(|line| line.unwrap()).take_while(|line| line != "ready");
        let environment = lines
            .map(|line| {
                let setting = line.strip_prefix("export ").expect("a line for a shell");
                let (name, value) = setting.split_once('=').expect("a name and a value");
                (name.to_owned(), value.to_owned())
            })
            .collect();
        Self { child, environment }
    }

    /// Sends a signal, and returns the exit code.
    fn signal(mut self, signal: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }

    fn kinesis(&self) -> Client {
        let key = &self.environment["AWS_ACCESS_KEY_ID"];
        let secret = &self.environment["AWS_SECRET_ACCESS_KEY"];
        let config = aws_sdk_kinesis::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.environment["AWS_REGION"].clone()))
            .credentials_provider(Credentials::from_keys(key, secret, None))
            .endpoint_url(&self.environment["AWS_ENDPOINT_URL_KINESIS"]);
        Client::from_conf(config.build())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Fails if the program has ended, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandbox"));
    command.args(arguments);
    command
}

fn output(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

#[test]
fn it_prints_the_settings_of_its_clients_and_ends_with_a_signal() {
    for signal in ["-TERM", "-INT"] {
        let program = Program::start(&[]);
        let names: Vec<&str> = program.environment.keys().map(String::as_str).collect();
        let expected = [
            "AWS_ACCESS_KEY_ID",
            "AWS_ENDPOINT_URL_CLOUDWATCH",
            "AWS_ENDPOINT_URL_DYNAMODB",
            "AWS_ENDPOINT_URL_KINESIS",
            "AWS_REGION",
            "AWS_SECRET_ACCESS_KEY",
        ];
        assert_eq!(names, expected);
        for service in ["KINESIS", "DYNAMODB", "CLOUDWATCH"] {
            let url = &program.environment[&format!("AWS_ENDPOINT_URL_{service}")];
            let address: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
            assert!(
                address.ip().is_loopback() && TcpStream::connect(address).is_ok(),
                "{address}"
            );
        }
        assert_eq!(program.signal(signal), Some(0));
    }
}

/// README's lines, with a program that is built already.
#[test]
fn a_shell_evaluates_what_it_prints() {
    let script = r#"
        output="$(mktemp)"
        "$SANDBOX" > "$output" & pid=$!
        until grep -q '^ready$' "$output"; do sleep 0.05; done
        eval "$(grep '^export ' "$output")"
        kill "$pid" && wait "$pid"
        echo "$? $AWS_REGION $AWS_ENDPOINT_URL_KINESIS"
        rm "$output"
    "#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).env("SANDBOX", env!("CARGO_BIN_EXE_sandbox"));
    let output = String::from_utf8(shell.output().unwrap().stdout).unwrap();
    assert!(output.starts_with("0 us-east-1 http://127.0.0.1:"), "{output}");
}

#[tokio::test]
async fn its_settings_suffice_for_a_client() {
    let program = Program::start(&[]);
    let client = program.kinesis();
    client
        .create_stream()
        .stream_name("clicks")
        .shard_count(1)
        .send()
        .await
        .unwrap();
    assert_eq!(client.list_streams().send().await.unwrap().stream_names(), ["clicks"]);
}

#[tokio::test]
async fn without_limits_more_shards_are_created_than_the_quota() {
    for (arguments, created) in [(&[][..], false), (&["--no-limits"][..], true)] {
        let program = Program::start(arguments);
        let create = program
            .kinesis()
            .create_stream()
            .stream_name("wide")
            .shard_count(20_001);
        assert_eq!(create.send().await.is_ok(), created, "{arguments:?}");
    }
}

#[test]
fn a_taken_port_is_an_error_that_names_the_option() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for option in ["--kinesis-port", "--dynamodb-port", "--cloudwatch-port"] {
        let output = output(&[option, &port]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{stderr}");
        let expected = format!("sandbox: {option}: cannot listen on port {port} of 127.0.0.1: ");
        assert!(stderr.starts_with(&expected) && stderr.lines().count() == 1, "{stderr}");
    }
}

#[tokio::test]
async fn a_given_port_is_taken() {
    let port = free_port();
    let program = Program::start(&["--dynamodb-port", &port.to_string()]);
    assert_eq!(
        program.environment["AWS_ENDPOINT_URL_DYNAMODB"],
        format!("http://127.0.0.1:{port}")
    );

    // The builder is told the same; a port of its own leaves the others theirs.
    let sandbox = Sandbox::builder()
        .port(testkit::Service::CloudWatch, 0)
        .start()
        .await
        .unwrap();
    assert_eq!(sandbox.kinesis_endpoint(), sandbox.dynamodb_endpoint());
    assert_ne!(sandbox.kinesis_endpoint(), sandbox.cloudwatch_endpoint());
}

/// A port that is free at the moment.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn help_is_printed_and_nonsense_refused() {
    let help = output(&["--help"]);
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(help.status.success());
    for option in ["--kinesis-port", "--dynamodb-port", "--cloudwatch-port", "--no-limits"] {
        assert!(text.contains(option), "{text}");
    }
    assert_eq!(output(&["--port", "1"]).status.code(), Some(2));
}
