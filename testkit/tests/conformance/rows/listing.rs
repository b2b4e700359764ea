//! ListShards, its filters and its pages.

use std::time::Duration;

use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::ShardFilterType::{
    AfterShardId, AtLatest, AtTimestamp, AtTrimHorizon, FromTimestamp, FromTrimHorizon,
};
use testkit::kinesis::Settings;

use crate::conformance::evidence::Evidence::ServiceModel;
use crate::conformance::evidence::{KCL_SYNC, LIST_SHARDS, SEQUENCE_RANGE, SHARD_FILTER};
use crate::conformance::row::Row;
use crate::conformance::stream::{filter, filter_at, ids};
use crate::conformance::subject::Subject;
use crate::conformance::verdict::{BAD_ARGUMENT, IN_USE, INVALID, NOT_FOUND, Verdict, equal, refused, some};

pub(super) const ROWS: &[Row] = &[
    Row::new("ListShards lists open and closed shards", &[LIST_SHARDS], |kinesis| {
        Box::pin(lists_all(kinesis))
    }),
    Row::new(
        "A closed shard has an ending sequence number, an open one has none",
        &[ServiceModel, SEQUENCE_RANGE],
        |kinesis| Box::pin(open_shards_have_no_end(kinesis)),
    ),
    Row::new(
        "A split's children name their parent, a merge's child names both",
        &[ServiceModel, LIST_SHARDS],
        |kinesis| Box::pin(lineage_is_told(kinesis)),
    ),
    Row::new(
        "AT_LATEST lists only open shards",
        &[SHARD_FILTER, KCL_SYNC],
        |kinesis| Box::pin(at_latest(kinesis)),
    ),
    Row::new(
        "AT_TRIM_HORIZON lists the shards that were open at the trim horizon",
        &[SHARD_FILTER, KCL_SYNC],
        |kinesis| Box::pin(at_trim_horizon(kinesis)),
    )
    .gap("lists all shards"),
    Row::new("FROM_TRIM_HORIZON lists all shards", &[SHARD_FILTER], |kinesis| {
        Box::pin(from_trim_horizon(kinesis))
    }),
    Row::new(
        "AT_TIMESTAMP lists the shards that were open at that moment",
        &[SHARD_FILTER, KCL_SYNC],
        |kinesis| Box::pin(at_timestamp(kinesis)),
    ),
    Row::new(
        "FROM_TIMESTAMP lists the open shards and those that were closed since",
        &[SHARD_FILTER],
        |kinesis| Box::pin(from_timestamp(kinesis)),
    ),
    Row::new(
        "FROM_TIMESTAMP before the trim horizon lists all shards",
        &[SHARD_FILTER],
        |kinesis| Box::pin(from_an_old_timestamp(kinesis)),
    ),
    Row::new(
        "AFTER_SHARD_ID and ExclusiveStartShardId list the shards behind that one",
        &[SHARD_FILTER, LIST_SHARDS],
        |kinesis| Box::pin(after_shard_id(kinesis)),
    ),
    Row::new(
        "AT_TIMESTAMP and FROM_TIMESTAMP need a timestamp, AFTER_SHARD_ID needs a shard",
        &[LIST_SHARDS],
        |kinesis| Box::pin(filters_need_their_argument(kinesis)),
    ),
    Row::new(
        "MaxResults cuts the list into pages that NextToken goes through, each shard once",
        &[ServiceModel, LIST_SHARDS],
        |kinesis| Box::pin(pages(kinesis)),
    ),
    Row::new("Pages keep to the filter of the first", &[], |kinesis| {
        Box::pin(filtered_pages(kinesis))
    }),
    Row::new(
        "NextToken and StreamName together are InvalidArgumentException",
        &[LIST_SHARDS],
        |kinesis| Box::pin(tokens_stand_alone(kinesis)),
    ),
    Row::new("A text that is no token is refused", &[], |kinesis| {
        Box::pin(false_tokens(kinesis))
    }),
    Row::new(
        "A token expires after 300 seconds: ExpiredNextTokenException",
        &[ServiceModel, LIST_SHARDS],
        |kinesis| Box::pin(tokens_expire(kinesis)),
    )
    .only_simulated("needs 300 seconds"),
    Row::new(
        "A page holds at most 1,000 shards, whatever MaxResults says",
        &[LIST_SHARDS],
        |kinesis| Box::pin(a_thousand_shards(kinesis)),
    )
    .not_on_kinesis_mock("its limit of 1,000 shards is one too few")
    .not_on_aws("costs a thousand shards"),
    Row::new("MaxResults 0 and 10,001 are refused", &[ServiceModel], |kinesis| {
        Box::pin(false_limits(kinesis))
    })
    .gap("answers an error without a code"),
    Row::new(
        "Shards can be listed by the stream's ARN alone",
        &[ServiceModel, LIST_SHARDS],
        |kinesis| Box::pin(by_arn(kinesis)),
    ),
    Row::new(
        "The shards of a stream that is not there are ResourceNotFoundException",
        &[ServiceModel],
        |kinesis| Box::pin(of_a_missing_stream(kinesis)),
    ),
    Row::new(
        "The shards of a stream that is CREATING are ResourceInUseException",
        &[ServiceModel],
        |kinesis| Box::pin(of_a_stream_in_creation(kinesis)),
    )
    .gap("lists them")
    .with(slow_creation),
];

async fn lists_all(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(2).await?;
    stream.split().await?;
    equal("shards", stream.shards().await?.len(), 4)
}

async fn open_shards_have_no_end(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let (parent, _) = stream.split().await?;
    for shard in stream.shards().await? {
        let range = some("a sequence number range", shard.sequence_number_range())?;
        equal(
            "an end",
            range.ending_sequence_number().is_some(),
            shard.shard_id == parent,
        )?;
    }
    Ok(())
}

async fn lineage_is_told(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let (parent, children) = stream.split().await?;
    let [lower, upper] = children.as_slice() else {
        return equal("children", children.len(), 2);
    };
    stream.merge_pair(lower, upper).await?;
    let parents =
        |shard: &aws_sdk_kinesis::types::Shard| (shard.parent_shard_id.clone(), shard.adjacent_parent_shard_id.clone());
    let came: Vec<_> = stream.shards().await?.iter().map(parents).collect();
    let half = (Some(parent), None);
    let whole = (Some(lower.clone()), Some(upper.clone()));
    equal("parents", came, vec![(None, None), half.clone(), half, whole])
}

async fn at_latest(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let (_, children) = stream.split().await?;
    equal("shards", stream.filtered(filter(AtLatest)).await?, children)
}

async fn at_trim_horizon(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    kinesis.wait(kinesis.target.spread()).await;
    let (parent, _) = stream.split().await?;
    equal("shards", stream.filtered(filter(AtTrimHorizon)).await?, vec![parent])
}

async fn from_trim_horizon(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.split().await?;
    equal("shards", stream.filtered(filter(FromTrimHorizon)).await?.len(), 3)
}

async fn at_timestamp(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    kinesis.wait(kinesis.target.spread()).await;
    let before = kinesis.now();
    kinesis.wait(kinesis.target.spread()).await;
    let (parent, children) = stream.split().await?;
    kinesis.wait(kinesis.target.spread()).await;
    equal(
        "shards before",
        stream.filtered(filter_at(AtTimestamp, before.into())).await?,
        vec![parent],
    )?;
    equal(
        "shards now",
        stream.filtered(filter_at(AtTimestamp, kinesis.now().into())).await?,
        children,
    )
}

async fn from_timestamp(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    kinesis.wait(kinesis.target.spread()).await;
    let before = kinesis.now();
    kinesis.wait(kinesis.target.spread()).await;
    let (_, children) = stream.split().await?;
    kinesis.wait(kinesis.target.spread()).await;
    equal(
        "shards since before",
        stream.filtered(filter_at(FromTimestamp, before.into())).await?.len(),
        3,
    )?;
    equal(
        "shards since now",
        stream.filtered(filter_at(FromTimestamp, kinesis.now().into())).await?,
        children,
    )
}

async fn from_an_old_timestamp(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.split().await?;
    let listed = stream
        .filtered(filter_at(FromTimestamp, DateTime::from_secs(1)))
        .await?;
    equal("shards", listed.len(), 3)
}

async fn after_shard_id(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(3).await?;
    let all = ids(&stream.shards().await?);
    let first = some("a shard", all.first())?;
    let mut behind = filter(AfterShardId);
    behind.shard_id = Some(first.clone());
    equal(
        "shards",
        stream.filtered(behind).await?.as_slice(),
        all.get(1..).unwrap_or_default(),
    )?;
    let listed = stream.listing().exclusive_start_shard_id(first).send().await?;
    equal(
        "shards",
        ids(listed.shards()).as_slice(),
        all.get(1..).unwrap_or_default(),
    )
}

async fn filters_need_their_argument(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    for kind in [AtTimestamp, FromTimestamp, AfterShardId] {
        refused(stream.listing().shard_filter(filter(kind)).send().await, BAD_ARGUMENT)?;
    }
    Ok(())
}

async fn pages(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(5).await?;
    let first = stream.listing().max_results(2).send().await?;
    let (mut listed, mut token) = (vec![first.shards().len()], first.next_token.clone());
    let mut came = ids(first.shards());
    while let Some(next) = token {
        let page = kinesis
            .client
            .list_shards()
            .next_token(next)
            .max_results(2)
            .send()
            .await?;
        listed.push(page.shards().len());
        came.extend(ids(page.shards()));
        token = page.next_token;
    }
    equal("the sizes of the pages", listed, vec![2, 2, 1])?;
    equal("shards", came, ids(&stream.shards().await?))
}

async fn filtered_pages(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let (_, children) = stream.split().await?;
    let first = stream
        .listing()
        .shard_filter(filter(AtLatest))
        .max_results(1)
        .send()
        .await?;
    let token = some("a token", first.next_token())?;
    let second = kinesis.client.list_shards().next_token(token).send().await?;
    equal(
        "open shards",
        [ids(first.shards()), ids(second.shards())].concat(),
        children,
    )
}

async fn tokens_stand_alone(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(2).await?;
    let first = stream.listing().max_results(1).send().await?;
    refused(stream.listing().set_next_token(first.next_token).send().await, INVALID)
}

async fn false_tokens(kinesis: &Subject) -> Verdict {
    kinesis.stream(1).await?;
    refused(
        kinesis.client.list_shards().next_token("no token").send().await,
        BAD_ARGUMENT,
    )
}

async fn tokens_expire(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(2).await?;
    let token = stream.listing().max_results(1).send().await?.next_token;
    let go_on = || kinesis.client.list_shards().set_next_token(token.clone()).send();
    kinesis.wait(Duration::from_secs(299)).await;
    go_on().await?;
    kinesis.wait(Duration::from_secs(2)).await;
    refused(go_on().await, &["ExpiredNextTokenException"])
}

async fn a_thousand_shards(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1_001).await?;
    let page = stream.listing().max_results(10_000).send().await?;
    equal("shards", page.shards().len(), 1_000)?;
    some("a token", page.next_token()).map(drop)
}

async fn false_limits(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    for limit in [0, 10_001] {
        refused(stream.listing().max_results(limit).send().await, BAD_ARGUMENT)?;
    }
    Ok(())
}

async fn by_arn(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(2).await?;
    let listed = kinesis.client.list_shards().stream_arn(&stream.arn).send().await?;
    equal("shards", listed.shards().len(), 2)
}

async fn of_a_missing_stream(kinesis: &Subject) -> Verdict {
    refused(
        kinesis.client.list_shards().stream_name(kinesis.name()).send().await,
        NOT_FOUND,
    )
}

async fn of_a_stream_in_creation(kinesis: &Subject) -> Verdict {
    let name = kinesis.name();
    kinesis
        .client
        .create_stream()
        .stream_name(&name)
        .shard_count(1)
        .send()
        .await?;
    refused(kinesis.client.list_shards().stream_name(&name).send().await, IN_USE)
}

fn slow_creation(settings: Settings) -> Settings {
    Settings {
        creation_time: Duration::from_secs(5),
        ..settings
    }
}
