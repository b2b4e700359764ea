//! The HTTP routes of a worker: probes, the scrape of Prometheus, and what an operator asks for. `kcl/RUNBOOK.md` says when to use
//! which.
//!
//! ```sh
//! cargo run --example operator_routes
//! ```
//!
//! It has a local service, and a handler that fails on one record. An operator looks at the shards, skips the record, and pauses.
//! With `-- --stay` the worker and its routes stay until Ctrl-C, and it is you who is the operator: the program prints the first
//! request.
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
//! A `POST` is answered on this machine alone, which `kubectl port-forward` is too, and only with a secret: `Authorization: Bearer …`.
//! Other processes of the machine reach the port, and so do web pages that are open in a browser on it. A skip or a seek that takes
//! longer than a minute is answered with 202, and goes on.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the results of the program")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use futures::StreamExt as _;
use kcl::{ErrorPolicy, Health, Record, ShardRef, StartingPosition, Worker, WorkerControl};
use kpl::Producer;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use testkit::sandbox::Sandbox;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A status and a body.
type Answer = (&'static str, String);

const OK: &str = "200 OK";
const ACCEPTED: &str = "202 Accepted";
const BAD_REQUEST: &str = "400 Bad Request";
const UNAUTHORIZED: &str = "401 Unauthorized";
const FORBIDDEN: &str = "403 Forbidden";
const NOT_FOUND: &str = "404 Not Found";
const CONFLICT: &str = "409 Conflict";
/// Connections that are answered at once: a skip or a seek may take long, and the probes must not wait for it.
const CONNECTIONS: usize = 16;
/// Bytes of a request up to the empty line, at most.
const LONGEST_HEAD: u64 = 8 * 1024;
/// How long a client may take to send the head of its request. One that sends nothing holds a connection no longer.
const TO_ASK: Duration = Duration::from_secs(1);
/// How long a client may take to receive its answer.
const TO_TAKE: Duration = Duration::from_secs(10);
/// How long an operation is waited for.
const TO_OPERATE: Duration = Duration::from_secs(60);

/// The secret of this demonstration. That of an application comes from where its secrets are kept, and is in no code.
const SECRET: &str = "for this run alone";

/// What the routes lead to.
struct Routes {
    control: WorkerControl,
    metrics: PrometheusHandle,
    /// What a `POST` has to name.
    secret: String,
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
                eprintln!("a request is not answered: {error}");
            }
        });
        answers.await;
    }

    /// Answers one request.
    async fn answer(&self, mut connection: impl AsyncRead + AsyncWrite + Unpin, from: IpAddr) -> std::io::Result<()> {
        let request = tokio::time::timeout(TO_ASK, head_of(&mut connection)).await??;
        let (status, body) = self.route(&request, from).await;
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        tokio::time::timeout(TO_TAKE, connection.write_all((head + &body).as_bytes())).await?
    }

    /// What is answered to a request with this head.
    async fn route(&self, head: &str, from: IpAddr) -> Answer {
        let mut words = head.split(' ');
        match (words.next(), words.next()) {
            (Some("GET"), Some(path)) => self.look(path),
            (Some("POST"), _) if !from.is_loopback() => (FORBIDDEN, "ask on this machine\n".to_owned()),
            (Some("POST"), _) if !self.has_the_secret(head) => {
                (UNAUTHORIZED, "name the secret: Authorization: Bearer …\n".to_owned())
            }
            // A skip or a seek goes on when nobody waits for it any more.
            (Some("POST"), Some(path)) => match tokio::time::timeout(TO_OPERATE, self.operate(path)).await {
                Ok(answer) => answer,
                Err(_) => (
                    ACCEPTED,
                    "it is not done yet, and goes on: look at /shards\n".to_owned(),
                ),
            },
            _ => (NOT_FOUND, String::new()),
        }
    }

    fn has_the_secret(&self, head: &str) -> bool {
        let expected = format!("Bearer {}", self.secret);
        let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut named = fields.filter(|(name, _)| name.eq_ignore_ascii_case("Authorization"));
        named.any(|(_, value)| is_same(value.trim().as_bytes(), expected.as_bytes()))
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
                    let at = shard
                        .failing_at
                        .as_ref()
                        .map(|at| format!(" at {at}"))
                        .unwrap_or_default();
                    format!("{} {}{at}; {error}\n", shard.shard, shard.state)
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
                Err(error) => (CONFLICT, format!("{}\n", with_causes(&error))),
            },
            ("seek", None) => (
                BAD_REQUEST,
                "name the place: ?to=TRIM_HORIZON, LATEST or seconds since 1970\n".to_owned(),
            ),
            _ => (NOT_FOUND, String::new()),
        }
    }
}

/// The head of the request that comes next, without the empty line behind it.
async fn head_of(connection: &mut (impl AsyncRead + Unpin)) -> std::io::Result<String> {
    const END: &[u8] = b"\r\n\r\n";
    let (mut read, mut connection) = (Vec::new(), connection.take(LONGEST_HEAD));
    loop {
        if let Some(length) = read.windows(END.len()).position(|bytes| bytes == END) {
            read.truncate(length);
            return Ok(String::from_utf8_lossy(&read).into_owned());
        }
        if connection.read_buf(&mut read).await? == 0 {
            return Err(std::io::Error::other(
                "the head of its request has no end, or is too long",
            ));
        }
    }
}

/// Takes as long for texts that differ at their beginning as for those that differ at their end, so the time tells nothing of a
/// secret but its length.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b).fold(0, |differing, (a, b)| differing | (a ^ b));
    a.len() == b.len() && differing == 0
}

/// The text of an error, with those of its causes.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
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
    let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SECRET}\r\n\r\n");
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

/// Lets somebody with a client of HTTP operate the worker, until Ctrl-C.
async fn let_operate(address: SocketAddr) -> std::io::Result<Vec<String>> {
    let skip = format!("http://{address}/shards/orders/shardId-000000000000/skip");
    println!("curl http://{address}/shards");
    println!("curl -X POST -H 'Authorization: Bearer {SECRET}' {skip}");
    tokio::signal::ctrl_c().await?;
    Ok(Vec::new())
}

/// A worker with a local service, its routes, and an operator.
async fn run(operator: impl AsyncFnOnce(SocketAddr) -> std::io::Result<Vec<String>>) -> Result<Vec<String>, Failure> {
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
        secret: SECRET.to_owned(),
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let operating = async {
        let answers = operator(address).await;
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
    let answers = match std::env::args().any(|argument| argument == "--stay") {
        true => run(let_operate).await?,
        false => run(operate).await?,
    };
    for answer in answers {
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
    use std::sync::Arc;

    use testkit::sim::Sim;
    use tokio::io::DuplexStream;
    use tokio::task::JoinSet;

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// The routes of a worker that has not started.
    fn routes() -> Arc<Routes> {
        let worker = Worker::builder("billing", "orders").aws(&Sim::new(1).sdk_config());
        routes_of(worker.for_each_record(bill).build().unwrap().control())
    }

    fn routes_of(control: WorkerControl) -> Arc<Routes> {
        Arc::new(Routes {
            control,
            metrics: PrometheusBuilder::new().build_recorder().handle(),
            secret: SECRET.to_owned(),
        })
    }

    /// A connection from there to the routes, and their work on it.
    fn connect(routes: &Arc<Routes>, from: IpAddr) -> (DuplexStream, JoinSet<std::io::Result<()>>) {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let (routes, mut answering) = (Arc::clone(routes), JoinSet::new());
        answering.spawn(async move { routes.answer(server, from).await });
        (client, answering)
    }

    /// Why a client is let go within this time without an answer, if it is.
    async fn let_go_within(time: Duration, answering: &mut JoinSet<std::io::Result<()>>) -> Option<std::io::Error> {
        let ended = tokio::time::timeout(time, answering.join_next()).await.ok()?;
        ended.unwrap().unwrap().err()
    }

    /// What is answered to these bytes within two minutes, while the client keeps its side open.
    async fn answer_to(routes: &Arc<Routes>, from: IpAddr, bytes: &str) -> String {
        let (mut client, _answering) = connect(routes, from);
        client.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = tokio::time::timeout(Duration::from_secs(120), client.read_to_string(&mut answer)).await;
        assert!(read.is_ok(), "no answer, and the connection is open: {bytes:.60}");
        answer
    }

    fn with_secret(line: &str) -> String {
        format!("{line} HTTP/1.1\r\nauthorization:Bearer {SECRET}\r\n\r\n")
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_answered_though_a_body_comes_behind_its_head() {
        let answer = answer_to(&routes(), LOOPBACK, &(with_secret("POST /pause") + "x=1")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_half_of_a_request_is_let_go_after_a_second() {
        let (mut client, mut answering) = connect(&routes(), LOOPBACK);
        client.write_all(b"GET /live HTTP/1.1\r\n").await.unwrap();
        assert!(
            let_go_within(Duration::from_millis(990), &mut answering)
                .await
                .is_none()
        );
        assert!(let_go_within(Duration::from_millis(20), &mut answering).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_without_end_is_read_up_to_eight_kibibytes() {
        let (mut client, mut answering) = connect(&routes(), LOOPBACK);
        client.write_all(&[b'x'; 8 * 1024 - 1]).await.unwrap();
        assert!(let_go_within(Duration::from_millis(1), &mut answering).await.is_none());
        client.write_all(b"x").await.unwrap();
        assert!(let_go_within(Duration::from_millis(1), &mut answering).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_post_needs_the_secret_and_this_machine() {
        let routes = routes();
        let other: IpAddr = [10, 0, 0, 7].into();
        let post = "POST /pause HTTP/1.1\r\n";
        let wrong = format!("{post}Authorization: Bearer {SECRET}s\r\n\r\n");
        let elsewhere = format!("{post}Host: {SECRET}\r\n\r\n");
        for (from, request, status) in [
            (LOOPBACK, with_secret("POST /pause"), OK),
            (other, with_secret("POST /pause"), FORBIDDEN),
            (LOOPBACK, format!("{post}\r\n"), UNAUTHORIZED),
            (LOOPBACK, wrong, UNAUTHORIZED),
            (LOOPBACK, elsewhere, UNAUTHORIZED),
            (other, "GET /shards HTTP/1.1\r\n\r\n".to_owned(), OK),
        ] {
            let answer = answer_to(&routes, from, &request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}{answer}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_skip_that_takes_longer_than_a_minute_is_accepted_and_goes_on() {
        let sim = Sim::new(1);
        sim.create_stream("orders", 1).unwrap();
        let producer = Producer::builder("orders")
            .aws(&sim.client("producer"))
            .build()
            .unwrap();
        for order in ["order-1", "poison"] {
            let receipt = producer.put(kpl::Record::new("customer-7", order)).await.unwrap();
            receipt.await.unwrap();
        }
        let worker = Worker::builder("billing", "orders")
            .aws(&sim.client("w1"))
            .error_policy(ErrorPolicy::halt().attempts(1))
            .for_each_batch(async |batch: kcl::Batch| match batch.records.last() {
                Some(last) => bill(last.clone()).await,
                None => Ok(()),
            })
            .build()
            .unwrap();
        let control = worker.control();
        let mut running = JoinSet::new();
        running.spawn(worker.run());
        tokio::time::sleep(Duration::from_secs(60)).await;
        // Nothing is skipped while reading is paused.
        control.pause();
        let skip = with_secret("POST /shards/orders/shardId-000000000000/skip");
        let answer = answer_to(&routes_of(control.clone()), LOOPBACK, &skip).await;
        assert!(answer.starts_with("HTTP/1.1 202 Accepted"), "{answer}");
        control.resume();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(control.shards()[0].last_error, None);
    }

    #[tokio::test]
    async fn an_operator_sees_a_halted_shard_skips_its_record_and_pauses_by_the_routes_of_the_worker() {
        let answers = run(operate).await.unwrap();
        assert!(
            answers.iter().all(|answer| answer.starts_with("HTTP/1.1 200 OK")),
            "{answers:#?}"
        );
        assert!(
            answers[0].contains("orders/shardId-000000000000 halted"),
            "{}",
            answers[0]
        );
        let error = answers[0].split_once("(failures in a row: 1) at 4");
        assert!(
            error.is_some_and(|(_, error)| error.contains("cannot read the order")),
            "{}",
            answers[0]
        );
        assert!(answers[2].contains("skipped 4"), "{}", answers[2]);
        assert!(
            answers[8].contains("moved orders/shardId-000000000000"),
            "{}",
            answers[8]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_seek_without_a_place_is_told_what_to_name() {
        for to in ["", "?to=yesterday"] {
            let seek = with_secret(&format!("POST /shards/orders/shardId-000000000000/seek{to}"));
            let answer = answer_to(&routes(), LOOPBACK, &seek).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {BAD_REQUEST}")), "{answer}");
            assert!(answer.contains("seconds since 1970"), "{answer}");
        }
    }

    #[test]
    fn a_place_is_a_word_or_seconds_since_1970() {
        assert_eq!(place("TRIM_HORIZON"), Some(StartingPosition::TrimHorizon));
        let second = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        assert_eq!(place("1"), Some(StartingPosition::AtTimestamp(second)));
        assert_eq!(place("yesterday"), None);
    }
}
