//! The HTTP routes of a worker: probes, the scrape of Prometheus, and what an operator asks for. `kcl/RUNBOOK.md` says when to use
//! which.
//!
//! ```sh
//! cargo run --example operator_routes
//! ```
//!
//! It has a local service, and a handler that fails on one record. An operator looks at the shards, skips the record, and pauses.
//!
//! | request | answer |
//! |---|---|
//! | `GET /live`, `GET /ready` | 200 or 503; the body has the reasons to degrade |
//! | `GET /metrics` | the series, for Prometheus |
//! | `GET /shards` | the state of each shard of this worker |
//! | `POST /shards/{stream}/{shard}/retry` | calls the handler again |
//! | `POST /shards/{stream}/{shard}/skip` | skips the records on which the handler fails, and says which ones. **This loses them** |
//! | `POST /shards/{stream}/{shard}/seek?to={place}` | reads on from there: `TRIM_HORIZON`, `LATEST` or seconds since 1970 |
//! | `POST /pause`, `POST /resume` | stops and resumes reading all shards of this worker |
//!
//! A `POST` is answered on this machine alone, which `kubectl port-forward` is too.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the results of the program")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use futures::StreamExt as _;
use kcl::{ErrorPolicy, Health, Record, ShardRef, StartingPosition, Worker, WorkerControl};
use kpl::Producer;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use testkit::sandbox::Sandbox;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A status and a body.
type Answer = (&'static str, String);

const OK: &str = "200 OK";
const FORBIDDEN: &str = "403 Forbidden";
const NOT_FOUND: &str = "404 Not Found";
const CONFLICT: &str = "409 Conflict";
/// Connections that are answered at once: a skip or a seek may take long, and the probes must not wait for it.
const CONNECTIONS: usize = 16;

/// What the routes lead to.
struct Routes {
    control: WorkerControl,
    metrics: PrometheusHandle,
}

impl Routes {
    /// Answers requests for as long as it is polled.
    async fn serve(&self, listener: TcpListener) {
        let connections = futures::stream::unfold(listener, async |listener| {
            let accepted = listener.accept().await;
            Some((accepted, listener))
        });
        let answers = connections.for_each_concurrent(CONNECTIONS, async |accepted| {
            let answered = match accepted {
                Ok((connection, from)) => self.answer(connection, from.ip()).await,
                Err(error) => Err(error),
            };
            if let Err(error) = answered {
                eprintln!("a client went away: {error}");
            }
        });
        answers.await;
    }

    /// Answers one request.
    async fn answer(&self, mut connection: TcpStream, from: IpAddr) -> std::io::Result<()> {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") && connection.read_buf(&mut request).await? > 0 {}
        let request = String::from_utf8_lossy(&request).into_owned();
        let mut words = request.split(' ');
        let (status, body) = match (words.next(), words.next()) {
            (Some("GET"), Some(path)) => self.look(path),
            (Some("POST"), Some(path)) if from.is_loopback() => self.operate(path).await,
            (Some("POST"), _) => (FORBIDDEN, "ask on this machine\n".to_owned()),
            _ => (NOT_FOUND, String::new()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        connection.write_all((head + &body).as_bytes()).await
    }

    fn look(&self, path: &str) -> Answer {
        match path {
            "/live" => self.probe(Health::is_live),
            "/ready" => self.probe(Health::is_ready),
            "/metrics" => (OK, self.metrics.render()),
            "/shards" => {
                let shards = self.control.shards();
                let line = |shard: &kcl::ShardStatus| {
                    let error = shard.last_error.as_deref().unwrap_or("no error");
                    format!("{} {}; {error}\n", shard.shard, shard.state)
                };
                (OK, shards.iter().map(line).collect())
            }
            _ => (NOT_FOUND, String::new()),
        }
    }

    fn probe(&self, is_well: impl Fn(&Health) -> bool) -> Answer {
        let health = self.control.health();
        let status = if is_well(&health) {
            OK
        } else {
            "503 Service Unavailable"
        };
        let body = health.degraded.iter().map(|reason| format!("{reason}\n")).collect();
        (status, body)
    }

    /// Does what an operator asks for.
    async fn operate(&self, path: &str) -> Answer {
        match path {
            "/pause" => {
                self.control.pause();
                return (OK, "paused\n".to_owned());
            }
            "/resume" => {
                self.control.resume();
                return (OK, "resumed\n".to_owned());
            }
            _ => {}
        }
        let Some((shard, action)) = path.strip_prefix("/shards/").and_then(|rest| rest.rsplit_once('/')) else {
            return (NOT_FOUND, String::new());
        };
        match shard.parse() {
            Ok(shard) => self.operate_on(&shard, action).await,
            Err(error) => (NOT_FOUND, format!("{error}\n")),
        }
    }

    async fn operate_on(&self, shard: &ShardRef, action: &str) -> Answer {
        match action
            .split_once("?to=")
            .map_or((action, None), |(action, to)| (action, place(to)))
        {
            ("retry", None) => match self.control.retry(shard) {
                true => (OK, format!("retried {shard}\n")),
                false => (CONFLICT, "this worker does not hold the shard's lease\n".to_owned()),
            },
            ("skip", None) => match self.control.skip(shard).await {
                Ok(skipped) => (
                    OK,
                    skipped
                        .records
                        .iter()
                        .map(|record| format!("skipped {record}\n"))
                        .collect(),
                ),
                Err(error) => (CONFLICT, format!("{error}\n")),
            },
            ("seek", Some(place)) => match self.control.seek(shard, place).await {
                Ok(()) => (OK, format!("moved {shard}\n")),
                Err(error) => (CONFLICT, format!("{error}\n")),
            },
            _ => (NOT_FOUND, String::new()),
        }
    }
}

/// The place of a seek.
fn place(text: &str) -> Option<StartingPosition> {
    match text {
        "TRIM_HORIZON" => Some(StartingPosition::TrimHorizon),
        "LATEST" => Some(StartingPosition::Latest),
        seconds => {
            let since = Duration::from_secs(seconds.parse().ok()?);
            Some(StartingPosition::AtTimestamp(
                SystemTime::UNIX_EPOCH.checked_add(since)?,
            ))
        }
    }
}

/// Samples that nobody scrapes are summed up.
async fn keep_up(metrics: &PrometheusHandle) {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        metrics.run_upkeep();
    }
}

/// Fails on one record.
async fn bill(record: Record) -> Result<(), kcl::HandlerError> {
    match record.data().as_ref() {
        b"poison" => Err("cannot read the order".into()),
        _ => Ok(()),
    }
}

/// Sends one request, and returns the answer.
async fn request(address: SocketAddr, line: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(address).await?;
    let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Sends a request until its answer contains `text`.
async fn request_until(address: SocketAddr, line: &str, text: &str) -> std::io::Result<String> {
    loop {
        let answer = request(address, line).await?;
        if answer.contains(text) {
            return Ok(answer);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What an operator does about a shard that is halted. The answers to each request.
async fn operate(address: SocketAddr) -> std::io::Result<Vec<String>> {
    let shard = "POST /shards/orders/shardId-000000000000";
    Ok(vec![
        request_until(address, "GET /shards", "halted").await?,
        request_until(address, "GET /ready", OK).await?,
        request(address, &format!("{shard}/skip")).await?,
        request_until(
            address,
            "GET /metrics",
            "RecordsSkipped_sum{Operation=\"ProcessTask\"} 1",
        )
        .await?,
        request(address, "POST /pause").await?,
        request_until(address, "GET /shards", "paused").await?,
        request(address, "POST /resume").await?,
        request(address, &format!("{shard}/retry")).await?,
        request(address, &format!("{shard}/seek?to=LATEST")).await?,
    ])
}

/// A worker with a local service, its routes, and an operator.
async fn run() -> Result<Vec<String>, Failure> {
    let sandbox = Sandbox::start().await?;
    let config = sandbox.sdk_config();
    let client = aws_sdk_kinesis::Client::new(&config);
    client
        .create_stream()
        .stream_name("orders")
        .shard_count(1)
        .send()
        .await?;
    let producer = Producer::builder("orders").aws(&config).build()?;
    for order in ["order-1", "poison", "order-2"] {
        producer.put(kpl::Record::new("customer-7", order)).await?.await?;
    }
    producer.shutdown(Duration::from_secs(30)).await;
    let metrics = PrometheusBuilder::new().install_recorder()?;
    let worker = Worker::builder("billing", "orders")
        .aws(&config)
        .error_policy(ErrorPolicy::halt().attempts(1))
        .for_each_record(bill)
        .build()?;
    let control = worker.control();
    let routes = Routes {
        control: control.clone(),
        metrics,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let operating = async {
        let answers = operate(address).await;
        control.shutdown(Duration::from_secs(30));
        answers
    };
    let (ended, answers) = tokio::select! {
        biased;
        both = async { tokio::join!(worker.run(), operating) } => both,
        () = routes.serve(listener) => return Err("the routes have ended".into()),
        () = keep_up(&routes.metrics) => return Err("the upkeep has ended".into()),
    };
    ended?;
    sandbox.stop().await;
    Ok(answers?)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    for answer in run().await? {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        println!(
            "{}: {}",
            head.lines().next().unwrap_or_default(),
            body.lines().next().unwrap_or_default()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_operator_sees_a_halted_shard_skips_its_record_and_pauses_by_the_routes_of_the_worker() {
        let answers = run().await.unwrap();
        assert!(
            answers.iter().all(|answer| answer.starts_with("HTTP/1.1 200 OK")),
            "{answers:#?}"
        );
        assert!(
            answers[0].contains("orders/shardId-000000000000 halted"),
            "{}",
            answers[0]
        );
        assert!(answers[0].contains("cannot read the order"), "{}", answers[0]);
        assert!(answers[2].contains("skipped 4"), "{}", answers[2]);
        assert!(
            answers[8].contains("moved orders/shardId-000000000000"),
            "{}",
            answers[8]
        );
    }

    #[test]
    fn a_place_is_a_word_or_seconds_since_1970() {
        assert_eq!(place("TRIM_HORIZON"), Some(StartingPosition::TrimHorizon));
        let second = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        assert_eq!(place("1"), Some(StartingPosition::AtTimestamp(second)));
        assert_eq!(place("yesterday"), None);
    }
}
