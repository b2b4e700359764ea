//! What a reader meets where a shard was split or merged.

use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::types::ShardIteratorType::{AfterSequenceNumber, Latest, TrimHorizon};

use crate::conformance::evidence::Evidence::ServiceModel;
use crate::conformance::evidence::{AFTER_RESHARDING, GET_ITERATOR, GET_RECORDS, KCL_POLLER, SPLIT_SHARD};
use crate::conformance::row::Row;
use crate::conformance::stream::{Stream, by_value, hash_range, start};
use crate::conformance::subject::Subject;
use crate::conformance::verdict::{Mismatch, Verdict, equal, some, want};

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "The last page of a split shard has no next iterator and lists both children, which name it as their parent",
        &[ServiceModel, GET_RECORDS, KCL_POLLER],
        |kinesis| Box::pin(a_split_shard_ends(kinesis)),
    ),
    Row::new(
        "The last page of each merged shard lists the one child, which names both as its parents",
        &[ServiceModel, GET_RECORDS, KCL_POLLER],
        |kinesis| Box::pin(merged_shards_end(kinesis)),
    ),
    Row::new(
        "The child shards at the end carry their hash key ranges",
        &[ServiceModel],
        |kinesis| Box::pin(children_have_ranges(kinesis)),
    ),
    Row::new(
        "A closed shard is read to its last record before it ends",
        &[AFTER_RESHARDING, GET_RECORDS],
        |kinesis| Box::pin(a_closed_shard_is_drained(kinesis)),
    ),
    Row::new(
        "A closed shard without records ends at its first page",
        &[GET_RECORDS],
        |kinesis| Box::pin(an_empty_closed_shard(kinesis)),
    ),
    Row::new(
        "LATEST on a closed shard is an iterator at its end",
        &[GET_ITERATOR],
        |kinesis| Box::pin(latest_of_a_closed_shard(kinesis)),
    ),
    Row::new(
        "AFTER_SEQUENCE_NUMBER of the last record of a closed shard is an iterator at its end",
        &[GET_ITERATOR],
        |kinesis| Box::pin(after_the_last_of_a_closed_shard(kinesis)),
    ),
    Row::new(
        "An iterator from before a split reads on to the end of the shard",
        &[AFTER_RESHARDING],
        |kinesis| Box::pin(an_old_iterator(kinesis)),
    ),
    Row::new(
        "After a split, records go to the children",
        &[SPLIT_SHARD, AFTER_RESHARDING],
        |kinesis| Box::pin(children_take_over(kinesis)),
    ),
    Row::new(
        "The sequence numbers of the children are larger than those of the parent",
        &[],
        |kinesis| Box::pin(children_count_on(kinesis)),
    ),
];

async fn a_split_shard_ends(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.put_texts(&["a"]).await?;
    let (parent, children) = stream.split().await?;
    let end = stream.last_page(&parent).await?;
    equal(
        "children and their parents",
        lineage(&end),
        children
            .into_iter()
            .map(|child| (child, vec![parent.clone()]))
            .collect(),
    )
}

async fn merged_shards_end(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(2).await?;
    let (parents, children) = stream.merge().await?;
    equal("children", children.len(), 1)?;
    for parent in &parents {
        let end = stream.last_page(parent).await?;
        let wanted = children.iter().map(|child| (child.clone(), parents.to_vec())).collect();
        equal("children and their parents", lineage(&end), wanted)?;
    }
    Ok(())
}

async fn children_have_ranges(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let (parent, _) = stream.split().await?;
    let shards = stream.shards().await?;
    for child in stream.last_page(&parent).await?.child_shards() {
        let shard = some(
            "a listed child",
            shards.iter().find(|shard| shard.shard_id == child.shard_id),
        )?;
        let (start, end) = hash_range(shard)?;
        let range = some("a hash key range", child.hash_key_range())?;
        let came = (range.starting_hash_key().parse()?, range.ending_hash_key().parse()?);
        equal("the range", came, (start, end))?;
    }
    Ok(())
}

async fn a_closed_shard_is_drained(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.put_texts(&["a", "b", "c"]).await?;
    let (parent, _) = stream.split().await?;
    let iterator = stream.iterator(&parent, TrimHorizon).await?;
    let page = kinesis
        .client
        .get_records()
        .shard_iterator(iterator)
        .limit(2)
        .send()
        .await?;
    equal(
        "records and children",
        (page.records().len(), page.child_shards().len()),
        (2, 0),
    )?;
    some("a next iterator before the end", page.next_shard_iterator())?;
    equal("records", stream.texts(&parent).await?.len(), 3)
}

async fn an_empty_closed_shard(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let (parent, children) = stream.split().await?;
    let iterator = stream.iterator(&parent, TrimHorizon).await?;
    is_the_end(&stream, &iterator, &children).await
}

async fn latest_of_a_closed_shard(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    stream.put_texts(&["a"]).await?;
    let (parent, children) = stream.split().await?;
    let iterator = stream.iterator(&parent, Latest).await?;
    is_the_end(&stream, &iterator, &children).await
}

async fn after_the_last_of_a_closed_shard(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let numbers = stream.put_texts(&["a", "b"]).await?;
    let (parent, children) = stream.split().await?;
    let locate = stream.locating(&parent, AfterSequenceNumber);
    let iterator = start(locate.set_starting_sequence_number(numbers.last().cloned())).await?;
    is_the_end(&stream, &iterator, &children).await
}

async fn an_old_iterator(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let iterator = stream.iterator(&stream.first().await?, Latest).await?;
    stream.put_texts(&["a", "b"]).await?;
    stream.split().await?;
    equal("records", stream.read(&iterator).await?.len(), 2)
}

async fn children_take_over(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let (_, children) = stream.split().await?;
    for key in ["a", "b", "c", "d", "e"] {
        let put = stream.put(key, "x").await?;
        want("a child", put.shard_id, |shard| children.contains(shard))?;
    }
    Ok(())
}

async fn children_count_on(kinesis: &Subject) -> Verdict {
    let stream = kinesis.stream(1).await?;
    let before = stream.put("key", "x").await?.sequence_number;
    stream.split().await?;
    let after = stream.put("key", "x").await?.sequence_number;
    want("a larger number", after, |after| by_value(after) > by_value(&before))
}

/// Wants an empty page without a next iterator, and these children.
async fn is_the_end(stream: &Stream<'_>, iterator: &str, children: &[String]) -> Result<(), Mismatch> {
    let page = stream.page(iterator).await?;
    equal("records", page.records().len(), 0)?;
    equal("a next iterator", page.next_shard_iterator(), None)?;
    let came: Vec<_> = page.child_shards().iter().map(|child| child.shard_id.clone()).collect();
    equal("children", came, children.to_vec())
}

/// The children at the end of a shard, with their parents.
fn lineage(end: &GetRecordsOutput) -> Vec<(String, Vec<String>)> {
    let children = end.child_shards().iter();
    children
        .map(|child| (child.shard_id.clone(), child.parent_shards.clone()))
        .collect()
}
