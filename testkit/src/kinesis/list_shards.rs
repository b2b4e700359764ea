//! Pure: ListShards, with its filters and its paging.

use super::call::Call;
use super::error::ServiceError;
use super::request::ShardFilterType;
use super::response;
use super::shard::Shard;
use super::shard_id::ShardId;
use super::stream::Stream;
use super::timestamp::Timestamp;
use super::validate::Constraints;
use super::{Kinesis, limits, refusal, request, token};

impl Kinesis {
    pub(super) fn list_shards(
        &mut self,
        request: &request::ListShards,
        call: Call<'_>,
    ) -> Result<response::ListShards, ServiceError> {
        Constraints::default()
            .name("exclusiveStartShardId", request.exclusive_start_shard_id.as_deref())
            .range("maxResults", request.max_results, 1, limits::MAX_LISTING_LIMIT)
            .check()?;
        let (stream, listing) = match &request.next_token {
            Some(token) => self.continued(request, token, call)?,
            None => self.begun(request, call)?,
        };
        stream.check_listable()?;
        let limit = request
            .max_results
            .and_then(|limit| usize::try_from(limit).ok())
            .unwrap_or(usize::MAX);
        Ok(listing.page(stream, limit.min(limits::SHARDS_PER_LIST), call.now))
    }

    /// The first page of a listing.
    fn begun(&mut self, request: &request::ListShards, call: Call<'_>) -> Result<(&mut Stream, Listing), ServiceError> {
        if request.stream_name.is_none() && request.stream_arn.is_none() {
            return Err(ServiceError::invalid_argument(
                "Either NextToken or StreamName should be provided.",
            ));
        }
        let stream = self.stream_mut(call, request.stream_name.as_deref(), request.stream_arn.as_deref())?;
        if request
            .stream_creation_timestamp
            .is_some_and(|created| created.as_secs() != stream.identity.created.as_secs())
        {
            return Err(refusal::not_found(&stream.identity));
        }
        let (filter, above) = Filter::of(request.shard_filter.as_ref(), stream.trim_horizon(call.now))?;
        let start = request.exclusive_start_shard_id.as_deref().map(shard_id).transpose()?;
        Ok((
            stream,
            Listing {
                filter,
                after: above.max(start),
            },
        ))
    }

    /// The next page of a listing. Its token excludes what the token already says.
    fn continued(
        &mut self,
        request: &request::ListShards,
        token: &str,
        call: Call<'_>,
    ) -> Result<(&mut Stream, Listing), ServiceError> {
        let excluded = [
            ("StreamName", request.stream_name.is_some()),
            ("StreamARN", request.stream_arn.is_some()),
            ("ExclusiveStartShardId", request.exclusive_start_shard_id.is_some()),
            ("StreamCreationTimestamp", request.stream_creation_timestamp.is_some()),
            ("ShardFilter", request.shard_filter.is_some()),
        ];
        if let Some((member, _)) = excluded.iter().find(|(_, is_given)| *is_given) {
            let message = format!("NextToken and {member} cannot be provided together.");
            return Err(ServiceError::invalid_argument(message));
        }
        let next = NextToken::open(token).ok_or_else(|| ServiceError::invalid_argument("Invalid NextToken."))?;
        if call.now > next.issued + limits::NEXT_TOKEN_LIFETIME {
            return Err(ServiceError::expired_next_token(
                "NextToken has expired. Tokens are valid for 300 seconds.",
            ));
        }
        let stream = self.stream_of(call, &next.account, &next.stream)?;
        if stream.identity.incarnation != next.incarnation {
            return Err(refusal::not_found(&stream.identity));
        }
        Ok((stream, next.listing))
    }
}

/// What is listed, and how far the listing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listing {
    filter: Filter,
    after: Option<ShardId>,
}

impl Listing {
    fn page(self, stream: &Stream, limit: usize, now: Timestamp) -> response::ListShards {
        let after = self.after;
        let mut rest = stream
            .shards()
            .filter(|shard| Some(shard.id) > after && self.filter.selects(shard))
            .peekable();
        let shards: Vec<_> = rest.by_ref().take(limit).map(Shard::describe).collect();
        let next_token = rest.peek().map(|_| {
            let listing = Self {
                after: shards.last().map(|shard| shard.shard_id),
                ..self
            };
            NextToken {
                account: stream.identity.account_id.clone(),
                stream: stream.identity.name.clone(),
                incarnation: stream.identity.incarnation,
                issued: now,
                listing,
            }
            .seal()
        });
        response::ListShards { shards, next_token }
    }
}

/// Which shards are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    All,
    Open,
    OpenAt(Timestamp),
    OpenSince(Timestamp),
}

impl Filter {
    /// Reads the filter of a request, and the shard id that it starts above. Moments before the trim horizon are taken
    /// for the trim horizon.
    fn of(
        filter: Option<&request::ShardFilter>,
        trim_horizon: Timestamp,
    ) -> Result<(Self, Option<ShardId>), ServiceError> {
        let Some(filter) = filter else {
            return Ok((Self::All, None));
        };
        let timestamp = || {
            let timestamp = filter.timestamp.ok_or_else(|| missing("Timestamp"))?;
            Ok::<_, ServiceError>(timestamp.max(trim_horizon))
        };
        Ok(match filter.r#type {
            ShardFilterType::AfterShardId => (
                Self::All,
                Some(shard_id(filter.shard_id.as_deref().ok_or_else(|| missing("ShardId"))?)?),
            ),
            ShardFilterType::AtTrimHorizon => (Self::OpenAt(trim_horizon), None),
            ShardFilterType::FromTrimHorizon => (Self::All, None),
            ShardFilterType::AtLatest => (Self::Open, None),
            ShardFilterType::AtTimestamp => (Self::OpenAt(timestamp()?), None),
            ShardFilterType::FromTimestamp => (Self::OpenSince(timestamp()?), None),
        })
    }

    fn selects(self, shard: &Shard) -> bool {
        match self {
            Self::All => true,
            Self::Open => shard.is_open(),
            Self::OpenAt(timestamp) => shard.was_open_at(timestamp),
            Self::OpenSince(timestamp) => shard.was_open_since(timestamp),
        }
    }

    fn seal(self) -> (&'static str, Timestamp) {
        match self {
            Self::All => ("all", Timestamp::default()),
            Self::Open => ("open", Timestamp::default()),
            Self::OpenAt(timestamp) => ("at", timestamp),
            Self::OpenSince(timestamp) => ("since", timestamp),
        }
    }

    fn open(name: &str, timestamp: Timestamp) -> Option<Self> {
        match name {
            "all" => Some(Self::All),
            "open" => Some(Self::Open),
            "at" => Some(Self::OpenAt(timestamp)),
            "since" => Some(Self::OpenSince(timestamp)),
            _ => None,
        }
    }
}

fn shard_id(text: &str) -> Result<ShardId, ServiceError> {
    text.parse()
        .map_err(|_| ServiceError::invalid_argument(format!("Invalid shard ID: {text}.")))
}

fn missing(member: &str) -> ServiceError {
    ServiceError::invalid_argument(format!("ShardFilter of this Type requires {member}."))
}

/// What a pagination token says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NextToken {
    /// The account of the stream.
    account: String,
    stream: String,
    incarnation: u64,
    issued: Timestamp,
    listing: Listing,
}

impl NextToken {
    fn seal(&self) -> String {
        let (filter, timestamp) = self.listing.filter.seal();
        token::seal(&[
            &self.account,
            &self.stream,
            &self.incarnation.to_string(),
            &self.issued.as_millis().to_string(),
            &self.listing.after.map(|shard| shard.to_string()).unwrap_or_default(),
            filter,
            &timestamp.as_millis().to_string(),
        ])
    }

    fn open(text: &str) -> Option<Self> {
        let [account, stream, incarnation, issued, after, filter, timestamp] = token::open(text)?;
        let millis = |text: &str| text.parse().ok().map(Timestamp::from_millis);
        Some(Self {
            account,
            stream,
            incarnation: incarnation.parse().ok()?,
            issued: millis(&issued)?,
            listing: Listing {
                filter: Filter::open(&filter, millis(&timestamp)?)?,
                after: after.parse().ok(),
            },
        })
    }
}
