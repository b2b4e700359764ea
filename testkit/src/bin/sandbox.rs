//! Kinesis, DynamoDB and CloudWatch on loopback ports, as a program: for clients in other languages.
//!
//! It prints the settings of its clients as lines for a shell, then `ready`, and runs until SIGINT or SIGTERM.

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;
use testkit::Service;
use testkit::kinesis::{Limits, Settings};
use testkit::sandbox::{Sandbox, SandboxBuilder, SandboxError};

/// Amazon Kinesis, DynamoDB and CloudWatch on loopback ports.
///
/// Prints `export NAME=value` lines for the clients, then `ready`, and runs until SIGINT or SIGTERM. Nothing is kept
/// afterwards. Each port serves all services.
#[derive(Debug, Parser)]
#[command(name = "sandbox")]
struct Options {
    /// The port of Kinesis; 0 stands for a random one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    kinesis_port: u16,

    /// The port of DynamoDB; 0 stands for a random one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    dynamodb_port: u16,

    /// The port of CloudWatch; 0 stands for a random one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    cloudwatch_port: u16,

    /// Kinesis neither throttles nor enforces quotas
    #[arg(long)]
    no_limits: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If stderr is closed too, there is nobody left to tell.
            let _ = writeln!(io::stderr(), "sandbox: {}", explained(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Failure> {
    // Before anything is printed: whoever has read `ready` may stop the program at once.
    let stopped = signals::stopped().map_err(Failure::Signals)?;
    let sandbox = builder(options).start().await?;
    announce(&sandbox).map_err(Failure::Output)?;
    stopped.await;
    sandbox.stop().await;
    Ok(())
}

fn builder(options: &Options) -> SandboxBuilder {
    let limits = if options.no_limits {
        Limits::Off
    } else {
        Limits::Enforced
    };
    Sandbox::builder()
        .kinesis(Settings {
            limits,
            ..Settings::default()
        })
        .port(Service::Kinesis, options.kinesis_port)
        .port(Service::DynamoDb, options.dynamodb_port)
        .port(Service::CloudWatch, options.cloudwatch_port)
}

fn announce(sandbox: &Sandbox) -> io::Result<()> {
    let mut output = io::stdout().lock();
    for (name, value) in sandbox.environment() {
        writeln!(output, "export {name}={value}")?;
    }
    writeln!(output, "ready")?;
    output.flush()
}

/// Why the program ended early.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
    #[error("{}", option_at_fault(.0))]
    Start(#[from] SandboxError),
    #[error("cannot print the settings")]
    Output(#[source] io::Error),
}

/// Names the option, as the port alone may be the default.
fn option_at_fault(error: &SandboxError) -> String {
    if let SandboxError::Listen {
        service: Some(service), ..
    } = error
    {
        return format!("--{}-port: {error}", service.to_string().to_lowercase());
    }
    error.to_string()
}

/// An error and its causes in one line.
fn explained(failure: &Failure) -> String {
    // `Failure::Start` has said itself what its error says.
    let first: Option<&dyn Error> = match failure {
        Failure::Start(error) => error.source(),
        Failure::Signals(error) | Failure::Output(error) => Some(error),
    };
    let causes = std::iter::successors(first, |&cause| cause.source());
    causes.fold(failure.to_string(), |line, cause| format!("{line}: {cause}"))
}

#[cfg(unix)]
mod signals {
    use std::io;

    use tokio::signal::unix::{SignalKind, signal};

    /// Listens from now on; the future ends with the first signal.
    pub(super) fn stopped() -> io::Result<impl Future<Output = ()>> {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(async move {
            tokio::select! {
                biased;
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
}

#[cfg(not(unix))]
mod signals {
    use std::io;

    /// Ends with Ctrl-C.
    pub(super) fn stopped() -> io::Result<impl Future<Output = ()>> {
        Ok(async {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending().await
            }
        })
    }
}
