//! A worker in Kubernetes: probes for readiness and life, and an orderly end at SIGTERM. `kcl/deploy/kubernetes.yaml` is its
//! deployment.
//!
//! ```sh
//! cargo run --example kubernetes            a moment of a worker's life, with a local service
//! cargo run --example kubernetes -- --aws   until SIGTERM, as in a pod
//! ```
//!
//! | request | answer |
//! |---|---|
//! | `/live` | 200 while `run` has not ended |
//! | `/ready` | 200 while the lease table is usable and the worker looks for shards |

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the results of the program")]

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use kcl::{ShutdownReport, Worker, WorkerControl};
use testkit::sandbox::Sandbox;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The port of the probes.
const PORT: u16 = 8080;
/// What the handlers have to finish their batches. `terminationGracePeriodSeconds` is longer, by what it takes to give the leases
/// back.
const GRACE: Duration = Duration::from_secs(30);

/// Answers one probe.
async fn answer(mut connection: TcpStream, control: &WorkerControl) -> std::io::Result<()> {
    let mut request = [0; 1_024];
    let length = connection.read(&mut request).await?;
    let request = String::from_utf8_lossy(request.get(..length).unwrap_or_default()).into_owned();
    let health = control.health();
    let is_well = match request.split(' ').nth(1) {
        Some("/live") => health.is_live(),
        Some("/ready") => health.is_ready(),
        _ => false,
    };
    let status = if is_well { "200 OK" } else { "503 Service Unavailable" };
    let body: String = health.degraded.iter().map(|reason| format!("{reason}\n")).collect();
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all((head + &body).as_bytes()).await
}

/// Answers probes for as long as it is polled.
async fn answer_probes(listener: TcpListener, control: WorkerControl) -> std::io::Result<()> {
    loop {
        let (connection, _) = listener.accept().await?;
        if let Err(error) = answer(connection, &control).await {
            eprintln!("a probe went away: {error}");
        }
    }
}

/// Runs a worker until `stop`, and answers probes meanwhile.
async fn run(
    config: &SdkConfig,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<ShutdownReport, Failure> {
    let mut builder = Worker::builder("billing", "orders").aws(config);
    if let Ok(pod) = std::env::var("POD_NAME") {
        builder = builder.worker_id(pod);
    }
    let worker = builder
        .for_each_record(|record| async move {
            println!("{}: {} bytes", record.partition_key(), record.data().len());
            Ok(())
        })
        .build()?;
    let control = worker.control();
    let stopping = async {
        stop.await;
        control.shutdown(GRACE);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        ended = worker.run() => Ok(ended?),
        failed = answer_probes(listener, control.clone()) => Err(failed.err().map_or("the probes have ended".into(), Into::into)),
        () = stopping => Err("this is never reached".into()),
    }
}

/// What a pod does.
async fn in_a_pod() -> Result<ShutdownReport, Failure> {
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    let mut terminated = signal(SignalKind::terminate())?;
    run(&config, listener, async move {
        let _ = terminated.recv().await;
    })
    .await
}

/// The status of a probe.
async fn probe(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer.split("\r\n").next().unwrap_or_default().to_owned())
}

/// A worker with a local service: the first answers of both probes, and those once it is ready.
async fn on_this_machine() -> Result<(Vec<String>, ShutdownReport), Failure> {
    let sandbox = Sandbox::start().await?;
    let config = sandbox.sdk_config();
    let client = aws_sdk_kinesis::Client::new(&config);
    client
        .create_stream()
        .stream_name("orders")
        .shard_count(2)
        .send()
        .await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let mut answers = Vec::new();
    let look = async {
        for _ in 0..1_000 {
            answers.push(probe(address, "/live").await.unwrap_or_default());
            answers.push(probe(address, "/ready").await.unwrap_or_default());
            if answers.last().is_some_and(|answer| answer.ends_with("200 OK")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let report = run(&config, listener, look).await?;
    sandbox.stop().await;
    Ok((answers, report))
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let report = match std::env::args().any(|argument| argument == "--aws") {
        true => in_a_pod().await,
        false => on_this_machine().await.map(|(answers, report)| {
            println!("the last probe: {}", answers.last().map_or("none", String::as_str));
            report
        }),
    };
    match report {
        Ok(report) => {
            println!(
                "given back: {}, abandoned: {}",
                report.released.len(),
                report.abandoned.len()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPLOYMENT: &str = include_str!("../kcl/deploy/kubernetes.yaml");

    /// The value of the first line with this name.
    fn value(name: &str) -> &'static str {
        let mut lines = DEPLOYMENT.lines().map(str::trim);
        let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap().split(" #").next().unwrap()
    }

    #[tokio::test]
    async fn a_worker_is_live_at_once_and_ready_once_it_looks_for_shards_and_gives_its_leases_back() {
        let (answers, report) = on_this_machine().await.unwrap();
        assert!(
            answers.iter().step_by(2).all(|live| live == "HTTP/1.1 200 OK"),
            "{answers:?}"
        );
        assert_eq!(answers.last().unwrap(), "HTTP/1.1 200 OK");
        assert_eq!(report.abandoned, []);
    }

    #[test]
    fn kubernetes_waits_longer_than_the_worker_and_asks_for_what_the_program_answers() {
        let patience: u64 = value("terminationGracePeriodSeconds").parse().unwrap();
        assert!(patience >= GRACE.as_secs() + 10, "{patience}");
        assert_eq!(value("containerPort"), PORT.to_string());
        for (probe, path) in [("readinessProbe", "/ready"), ("livenessProbe", "/live")] {
            let (_, probe) = DEPLOYMENT.split_once(probe).unwrap();
            let found = probe.lines().find_map(|line| line.trim().strip_prefix("path: "));
            assert_eq!(found, Some(path));
        }
    }
}
