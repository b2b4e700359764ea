//! The sockets: one task accepts, one task per connection serves HTTP/1.1.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::exchange;
use super::host::Host;

/// How long a connection may be idle, or take to send the head of a request. Our choice: longer than the 90 s for
/// which hyper's client, and so the SDK, keeps idle connections, so that it is always the client that closes them.
const HEAD_TIMEOUT: Duration = Duration::from_secs(300);

/// How long a stopping sandbox lets a request in progress finish. Our choice.
const GRACE: Duration = Duration::from_secs(1);

/// How long the listener rests when the process has run out of file descriptors. Our choice.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What every connection needs.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) host: Arc<Host>,
    pub(super) stopping: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Server {
    /// Accepts connections until the sandbox stops.
    pub(super) async fn accept(self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.stopping.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _peer)) => drop(self.tasks.spawn(self.clone().serve(stream))),
                Err(error) => {
                    warn!(%error, "could not accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn serve(self, stream: TcpStream) {
        if let Err(error) = self.serve_http(stream).await {
            debug!(%error, "a connection ended early");
        }
    }

    async fn serve_http(&self, stream: TcpStream) -> Result<(), ServeError> {
        stream.set_nodelay(true)?;
        let service = service_fn(|request| exchange::answer(&self.host, request));
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .half_close(true)
                .serve_connection(TokioIo::new(stream), service)
        );
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => {}
            ended = connection.as_mut() => return Ok(ended?),
        }
        connection.as_mut().graceful_shutdown();
        match timeout(GRACE, connection).await {
            Ok(ended) => Ok(ended?),
            Err(_elapsed) => Err(ServeError::Aborted),
        }
    }
}

/// Why a connection ended otherwise than by agreement.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Socket(#[from] io::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
    #[error("the sandbox stopped while a request was incomplete")]
    Aborted,
}
