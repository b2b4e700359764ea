//! The SDK's client, as an application would make it, and the stream.

use std::error::Error;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

use crate::args::Args;

/// The stream that is put into.
pub(crate) const STREAM: &str = "load";

pub(crate) fn connect(args: &Args) -> Result<Client, Box<dyn Error>> {
    let endpoint = args
        .endpoint()
        .ok_or("where is Kinesis? Neither --endpoint nor AWS_ENDPOINT_URL_KINESIS says so")?;
    let mut config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("load", "load", None, None, "load"))
        .endpoint_url(endpoint);
    if let Some(path) = args.ca() {
        let certificate = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let trusted = TrustStore::empty().with_pem_certificate(certificate);
        let context = TlsContext::builder().with_trust_store(trusted).build()?;
        let https = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(context)
            .build_https();
        config = config.http_client(https);
    }
    Ok(Client::from_conf(config.build()))
}

/// Makes the stream, unless there is one already.
pub(crate) async fn create_stream(client: &Client, shards: i32) -> Result<(), Box<dyn Error>> {
    let created = client
        .create_stream()
        .stream_name(STREAM)
        .shard_count(shards)
        .send()
        .await;
    match created {
        Err(error)
            if !error
                .as_service_error()
                .is_some_and(|error| error.is_resource_in_use_exception()) =>
        {
            Err(error.into())
        }
        _ => Ok(()),
    }
}
