//! A PutRecords sink on a loopback port: it answers at once and keeps nothing, to measure producers against.
//!
//! ```sh
//! cargo run --release -p kinesis-testkit --example put_records_sink -- --tls --seconds 60
//! ```
//!
//! The example `load` of `kinesis-kpl` puts into it, and says how to use both together.
//!
//! It prints `export NAME=value` lines for its clients, then `ready`, and ends by itself, or on Ctrl-C, with a line of
//! what it took; its certificate goes with it. Each stream name is a stream. It checks neither signatures nor limits: a
//! [`Sandbox`](testkit::sandbox::Sandbox) does what Kinesis does, this does as little as possible.
//!
//! `args` are the options; an `entry` is read, assigned to one of the `shards`, answered by `answer`, and counted in
//! `counts`; `tls` makes the certificate.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

mod answer;
mod args;
mod counts;
mod entry;
mod shards;
mod tls;

use std::error::Error;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use self::answer::Sink;
use self::args::Args;
use self::tls::Identity;

/// How long a client may take to send the head of a request, idle connections included.
const HEADER_TIMEOUT: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    match start(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sink: error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(args: Args) -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(args.threads)
        .enable_all()
        .build()?
        .block_on(run(args))
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let address = (Ipv4Addr::LOCALHOST, args.port);
    let bound = TcpListener::bind(address).await;
    let listener = bound.map_err(|error| format!("--port {}: {error}", args.port))?;
    let port = listener.local_addr()?.port();
    let identity = if args.tls { Some(Identity::new()?) } else { None };
    let certificate = announce(port, identity.as_ref())?;
    let sink = Arc::new(Sink::new(&args));
    let end = tokio::time::sleep(Duration::from_secs(args.seconds));
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => {}
        () = end => {}
        () = accept(listener, identity, Arc::clone(&sink)) => {}
    }
    println!("sink: {}", sink.counts);
    if let Some(path) = certificate {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

/// Says where the sink is. The certificate is in a file, because the SDKs' settings name one; returns its path.
fn announce(port: u16, identity: Option<&Identity>) -> Result<Option<PathBuf>, Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    let scheme = if identity.is_some() { "https" } else { "http" };
    writeln!(out, "export AWS_ENDPOINT_URL_KINESIS={scheme}://localhost:{port}")?;
    let certificate = identity.map(|_| std::env::temp_dir().join(format!("put_records_sink-{port}.pem")));
    if let (Some(identity), Some(path)) = (identity, &certificate) {
        std::fs::write(path, identity.certificate_pem())?;
        writeln!(out, "export AWS_CA_BUNDLE={}", path.display())?;
    }
    writeln!(out, "ready")?;
    out.flush()?;
    Ok(certificate)
}

/// How long it waits after a connection that it could not accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

#[expect(clippy::disallowed_methods, reason = "connections end with the program")]
async fn accept(listener: TcpListener, identity: Option<Identity>, sink: Arc<Sink>) {
    let acceptor = identity.map(|identity| identity.acceptor());
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of sockets, for instance: some are given back soon.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Small answers wait for nothing.
        stream.set_nodelay(true).unwrap_or_default();
        let (acceptor, sink) = (acceptor.clone(), Arc::clone(&sink));
        tokio::spawn(async move {
            match acceptor {
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, sink).await;
                    }
                }
                None => serve(stream, sink).await,
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, sink: Arc<Sink>) {
    let service = service_fn(|request| sink.answer(request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    // A client that hangs up has its reasons.
    drop(connection.await);
}
