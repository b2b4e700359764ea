//! Pure: the tags of a stream.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::call::Call;
use super::error::ServiceError;
use super::response::{self, Tag};
use super::stream::Stream;
use super::validate::Constraints;
use super::{Kinesis, limits, request};

type Tags = BTreeMap<String, String>;

impl Kinesis {
    pub(super) fn add_tags_to_stream(
        &mut self,
        request: request::AddTagsToStream,
        call: Call<'_>,
    ) -> Result<(), ServiceError> {
        Constraints::default().tags(Some(&request.tags)).check()?;
        self.stream_mut(call, request.stream_name.as_deref(), request.stream_arn.as_deref())?
            .tag(request.tags)
    }

    pub(super) fn tag_resource(&mut self, request: request::TagResource, call: Call<'_>) -> Result<(), ServiceError> {
        Constraints::default().tags(Some(&request.tags)).check()?;
        self.stream_mut(call, None, Some(&request.resource_arn))?
            .tag(request.tags)
    }

    pub(super) fn remove_tags_from_stream(
        &mut self,
        request: &request::RemoveTagsFromStream,
        call: Call<'_>,
    ) -> Result<(), ServiceError> {
        Constraints::default().tag_keys(&request.tag_keys).check()?;
        self.stream_mut(call, request.stream_name.as_deref(), request.stream_arn.as_deref())?
            .untag(&request.tag_keys)
    }

    pub(super) fn untag_resource(
        &mut self,
        request: &request::UntagResource,
        call: Call<'_>,
    ) -> Result<(), ServiceError> {
        Constraints::default().tag_keys(&request.tag_keys).check()?;
        self.stream_mut(call, None, Some(&request.resource_arn))?
            .untag(&request.tag_keys)
    }

    pub(super) fn list_tags_for_stream(
        &mut self,
        request: &request::ListTagsForStream,
        call: Call<'_>,
    ) -> Result<response::ListTagsForStream, ServiceError> {
        let start = request.exclusive_start_tag_key.as_deref();
        let constraints = Constraints::default().range("limit", request.limit, 1, limits::TAGS_PER_LIST);
        match start {
            Some(key) => constraints.length("exclusiveStartTagKey", key, limits::TAG_KEY_CHARACTERS),
            None => constraints,
        }
        .check()?;
        let stream = self.stream_mut(call, request.stream_name.as_deref(), request.stream_arn.as_deref())?;
        let limit = request.limit.and_then(|limit| usize::try_from(limit).ok());
        let after = start.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = stream.config.tags.range::<str, _>((after, Bound::Unbounded));
        let tags = rest.by_ref().take(limit.unwrap_or(usize::MAX)).map(Tag::from).collect();
        Ok(response::ListTagsForStream {
            tags,
            has_more_tags: rest.next().is_some(),
        })
    }

    pub(super) fn list_tags_for_resource(
        &mut self,
        request: &request::ListTagsForResource,
        call: Call<'_>,
    ) -> Result<response::ListTagsForResource, ServiceError> {
        let stream = self.stream_mut(call, None, Some(&request.resource_arn))?;
        Ok(response::ListTagsForResource {
            tags: stream.config.tags.iter().map(Tag::from).collect(),
        })
    }
}

impl Stream {
    /// Adds tags to those that it has, or replaces them.
    fn tag(&mut self, tags: Tags) -> Result<(), ServiceError> {
        self.check_listable()?;
        let mut all = self.config.tags.clone();
        all.extend(tags);
        check(&all, &self.identity.label())?;
        self.config.tags = all;
        Ok(())
    }

    /// Removes tags. Keys that it does not have are ignored.
    fn untag(&mut self, keys: &[String]) -> Result<(), ServiceError> {
        self.check_listable()?;
        for key in keys {
            self.config.tags.remove(key);
        }
        Ok(())
    }
}

/// Refuses what a stream cannot have as its tags. Source of the wording: kinesalite.
pub(super) fn check(tags: &Tags, stream: &str) -> Result<(), ServiceError> {
    let mut texts = tags.iter().flat_map(|(key, value)| [key, value]);
    let message = if !texts.all(|text| text.chars().all(is_legal)) {
        "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @."
            .to_owned()
    } else if tags.len() > limits::TAGS_PER_STREAM {
        format!(
            "Failed to add tags to {stream} because a given stream cannot have more than {} tags associated with it.",
            limits::TAGS_PER_STREAM
        )
    } else {
        return Ok(());
    };
    Err(ServiceError::invalid_argument(message))
}

/// The pages of the API reference differ in `:` and `%`; both are let pass.
fn is_legal(character: char) -> bool {
    character.is_alphanumeric() || character.is_whitespace() || "_.:/=+-%@".contains(character)
}

impl Constraints {
    /// Tags as they are declared, if present.
    pub(super) fn tags(self, tags: Option<&Tags>) -> Self {
        let Some(tags) = tags else { return self };
        let constraints = self.count("tags", tags.len(), limits::TAGS_PER_CALL);
        tags.iter().fold(constraints, |constraints, (key, value)| {
            let too_long = value.chars().count() > limits::TAG_VALUE_CHARACTERS;
            let violation = too_long.then(|| {
                format!(
                    "Member must have length less than or equal to {}",
                    limits::TAG_VALUE_CHARACTERS
                )
            });
            constraints
                .length("tags.key", key, limits::TAG_KEY_CHARACTERS)
                .violated("tags.value", value, violation)
        })
    }

    fn tag_keys(self, keys: &[String]) -> Self {
        let constraints = self.count("tagKeys", keys.len(), limits::TAG_KEYS_PER_CALL);
        keys.iter().fold(constraints, |constraints, key| {
            constraints.length("tagKeys.member", key, limits::TAG_KEY_CHARACTERS)
        })
    }
}

impl From<(&String, &String)> for Tag {
    fn from((key, value): (&String, &String)) -> Self {
        Self {
            key: key.clone(),
            value: value.clone(),
        }
    }
}
