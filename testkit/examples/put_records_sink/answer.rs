//! The answers, put together from parts that were made at the start.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;

use crate::args::{Args, MAX_SHARDS};
use crate::counts::Counts;
use crate::entry::{CreateStream, PutRecords};
use crate::shards::Shards;

const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const THROTTLED: &str =
    r#"{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"Rate exceeded for shard"}"#;
const SUMMARY: &str = r#"{"StreamDescriptionSummary":{"StreamName":"sink","StreamARN":"arn:aws:kinesis:us-east-1:123456789012:stream/sink","StreamStatus":"ACTIVE","RetentionPeriodHours":24,"StreamCreationTimestamp":0,"EnhancedMonitoring":[],"OpenShardCount":1}}"#;

/// What all connections share.
pub(crate) struct Sink {
    pub(crate) counts: Counts,
    shards: RwLock<Arc<Shards>>,
    delay: Duration,
    fail_every: u64,
}

impl Sink {
    pub(crate) fn new(args: &Args) -> Self {
        Self {
            counts: Counts::default(),
            shards: RwLock::new(Arc::new(Shards::new(args.shards))),
            delay: Duration::from_millis(args.delay),
            fail_every: args.fail_every,
        }
    }

    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let target = request.headers().get("x-amz-target").cloned();
        let body = request.into_body().collect().await?.to_bytes();
        let target = target
            .as_ref()
            .and_then(|target| target.to_str().ok())
            .unwrap_or_default();
        Ok(match target.rsplit('.').next() {
            Some("PutRecords") => {
                if !self.delay.is_zero() {
                    tokio::time::sleep(self.delay).await;
                }
                self.put_records(&body)
            }
            Some("ListShards") => json(StatusCode::OK, self.shards().listed().into()),
            Some("CreateStream") => self.create(&body),
            Some("DescribeStreamSummary") => json(StatusCode::OK, Bytes::from_static(SUMMARY.as_bytes())),
            _ => refused("UnknownOperationException", "the sink takes PutRecords"),
        })
    }

    /// All streams have as many shards as the last one was created with.
    fn create(&self, body: &[u8]) -> Response<Full<Bytes>> {
        let wanted: CreateStream = match serde_json::from_slice(body) {
            Ok(wanted) => wanted,
            Err(error) => return refused("SerializationException", &error.to_string()),
        };
        let shards = Arc::new(Shards::new(wanted.shard_count.unwrap_or(1).clamp(1, MAX_SHARDS)));
        *self.shards.write().unwrap_or_else(PoisonError::into_inner) = shards;
        json(StatusCode::OK, Bytes::new())
    }

    fn shards(&self) -> Arc<Shards> {
        Arc::clone(&self.shards.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn put_records(&self, body: &[u8]) -> Response<Full<Bytes>> {
        let request: PutRecords<'_> = match serde_json::from_slice(body) {
            Ok(request) => request,
            Err(error) => return refused("SerializationException", &error.to_string()),
        };
        let bytes = request.records.iter().map(|entry| entry.payload_bytes()).sum();
        let first = self.counts.add(request.records.len() as u64, bytes);
        let mut answer = String::with_capacity(64 + request.records.len() * 128);
        answer.push_str(r#"{"Records":["#);
        let (mut failed, shards) = (0_u64, self.shards());
        for (number, entry) in (first + 1..).zip(&request.records) {
            if self.fail_every > 0 && number.is_multiple_of(self.fail_every) {
                answer.push_str(THROTTLED);
                failed += 1;
            } else {
                answer.push_str(shards.stored(entry.hash_key()));
            }
            answer.push(',');
        }
        answer.pop();
        answer.push_str(&format!(r#"],"FailedRecordCount":{failed}}}"#));
        self.counts.add_failed(failed);
        json(StatusCode::OK, answer.into())
    }
}

fn refused(code: &str, message: &str) -> Response<Full<Bytes>> {
    let body = serde_json::json!({ "__type": code, "message": message });
    json(StatusCode::BAD_REQUEST, body.to_string().into())
}

fn json(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}
