//! The rows on kinesis-mock, an emulator of Kinesis that others wrote: what both agree on is not just our reading.
//!
//! It is the npm package `kinesis-local` and needs Node.js. `.ci/run conformance` installs it below the target directory
//! and runs this; by hand, `KINESIS_MOCK_DIR` names the directory of the installed package.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_kinesis::Client;
use tokio::time::{sleep, timeout};

use super::PREFIX;
use super::subject::Subject;
use super::suite::conform;
use super::target::Target;

/// The version whose gaps the rows list; `.ci/run` installs the same.
pub(crate) const VERSION: &str = "0.6.2";

#[tokio::test]
async fn kinesis_mock_conforms_but_for_its_known_gaps() {
    if env::var("KINESIS_MOCK").is_ok_and(|value| value == "1") {
        let mock = KinesisMock::start(&directory()).await;
        let config = mock.sdk_config();
        conform(Target::KinesisMock, async |index, _| {
            Subject::new(Target::KinesisMock, &config, format!("{PREFIX}-{index}"))
        })
        .await;
    } else {
        println!("not run: KINESIS_MOCK is not 1");
    }
}

/// A process of kinesis-mock, which ends with this.
#[derive(Debug)]
struct KinesisMock {
    process: Child,
    port: u16,
}

impl KinesisMock {
    /// Starts it on free ports and waits until it answers.
    async fn start(directory: &Path) -> Self {
        let package = fs::read_to_string(directory.join("package.json")).expect("an installed kinesis-local");
        assert!(
            package.contains(&format!("\"{VERSION}\"")),
            "the rows know the gaps of version {VERSION}"
        );
        let [port, tls_port] = free_ports();
        let process = Command::new("node")
            .arg("main.js")
            // It reads its certificate from the directory that it is started in.
            .current_dir(directory)
            .env("KINESIS_MOCK_PLAIN_PORT", port.to_string())
            .env("KINESIS_MOCK_TLS_PORT", tls_port.to_string())
            .env("SHARD_LIMIT", "1000")
            .env("ON_DEMAND_STREAM_COUNT_LIMIT", "1000")
            .env("LOG_LEVEL", "ERROR")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("node");
        let mock = Self { process, port };
        timeout(Duration::from_secs(60), mock.answers())
            .await
            .expect("an answer within a minute");
        mock
    }

    async fn answers(&self) {
        let client = Client::new(&self.sdk_config());
        while client.list_streams().send().await.is_err() {
            sleep(Duration::from_millis(200)).await;
        }
    }

    fn sdk_config(&self) -> SdkConfig {
        let credentials = Credentials::from_keys("testkit", "testkit", None);
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(format!("http://127.0.0.1:{}", self.port))
            .build()
    }
}

impl Drop for KinesisMock {
    /// Also when a test panics.
    fn drop(&mut self) {
        let killed = self.process.kill().and_then(|()| self.process.wait());
        if let Err(error) = killed {
            println!("kinesis-mock, process {}, may still run: {error}", self.process.id());
        }
    }
}

fn directory() -> PathBuf {
    let installed = || Path::new(env!("CARGO_TARGET_TMPDIR")).join("../kinesis-mock/node_modules/kinesis-local");
    env::var_os("KINESIS_MOCK_DIR").map_or_else(installed, PathBuf::from)
}

fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("a bound port").port())
}
