//! Pure: the row that says which rule the fleet follows, and the one that says how far it has come to one table.

use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;

use super::fields::{Fields, FleetRowError, not_read, number, text};
use super::{CLIENT_VERSION_KEY, attribute};
use crate::lease::item::Item;
use crate::lease::model::{OtherAttributes, WorkerId};

/// What `entityType` says of the row of the client version.
const ENTITY: &str = "CLIENT_VERSION_MIGRATION";

/// How many earlier states the row keeps. The KCL's.
const HISTORY: usize = 10;

const READ: [&str; 6] = [
    attribute::KEY,
    attribute::ENTITY_TYPE,
    attribute::CLIENT_VERSION,
    attribute::MODIFIED_BY,
    attribute::MODIFIED_AT,
    attribute::HISTORY,
];

/// Which rule a fleet follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ClientVersionState {
    /// Nothing has been decided.
    Init,
    /// The 2.x rule, while the fleet gets ready for the 3.x rule.
    UpgradeFrom2x,
    /// The 2.x rule again, after a rollback.
    V2x,
    /// The 3.x rule, from which the fleet may go back.
    V3xWithRollback,
    /// The 3.x rule for good.
    V3x,
    /// One that this version does not know.
    Unknown(String),
}

/// The row of the client version.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ClientVersion {
    pub(crate) current: Modified,
    /// The states before, newest first, at most ten.
    pub(crate) history: Vec<Modified>,
    pub(crate) others: OtherAttributes,
}

/// A state, who wrote it, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Modified {
    pub(crate) state: ClientVersionState,
    pub(crate) by: Option<WorkerId>,
    /// Milliseconds since the Unix epoch.
    pub(crate) at: Option<u64>,
}

/// The row of the migration to one table. Only its status is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableMigration {
    /// `TABLE_MIGRATION_STATUS_COMPLETE`, say.
    pub(crate) status: String,
}

impl ClientVersionState {
    fn named(name: &str) -> Self {
        let known = [
            Self::Init,
            Self::UpgradeFrom2x,
            Self::V2x,
            Self::V3xWithRollback,
            Self::V3x,
        ];
        let mut named = known.into_iter().filter(|state| state.name() == name);
        named.next().unwrap_or_else(|| Self::Unknown(name.to_owned()))
    }

    /// Its name in the row.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Init => "CLIENT_VERSION_INIT",
            Self::UpgradeFrom2x => "CLIENT_VERSION_UPGRADE_FROM_2X",
            Self::V2x => "CLIENT_VERSION_2X",
            Self::V3xWithRollback => "CLIENT_VERSION_3X_WITH_ROLLBACK",
            Self::V3x => "CLIENT_VERSION_3X",
            Self::Unknown(name) => name,
        }
    }
}

impl fmt::Display for ClientVersionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ClientVersion {
    /// The first row of a fleet: `state`, and before it nothing decided, as the KCL writes it.
    pub(crate) fn first(state: ClientVersionState, by: &WorkerId, at: u64) -> Self {
        let modified = |state| Modified {
            state,
            by: Some(by.clone()),
            at: Some(at),
        };
        Self {
            current: modified(state),
            history: vec![modified(ClientVersionState::Init)],
            others: OtherAttributes::default(),
        }
    }

    /// The row after this one: `state`, and the present state at the head of the history.
    pub(crate) fn next(&self, state: ClientVersionState, by: &WorkerId, at: u64) -> Self {
        let before = std::iter::once(&self.current).chain(&self.history);
        Self {
            current: Modified {
                state,
                by: Some(by.clone()),
                at: Some(at),
            },
            history: before.take(HISTORY).cloned().collect(),
            others: self.others.clone(),
        }
    }

    /// Reads the row.
    ///
    /// # Errors
    ///
    /// If an attribute is not of its type, or a state is missing.
    pub(crate) fn decode(attributes: &OtherAttributes) -> Result<Self, FleetRowError> {
        let fields = Fields::of(attributes)?;
        let history = fields.maps(attribute::HISTORY)?;
        Ok(Self {
            current: Modified::decode(fields)?,
            history: history.into_iter().map(Modified::decode).collect::<Result<_, _>>()?,
            others: not_read(attributes, &READ),
        })
    }

    /// The whole row.
    pub(crate) fn encode(&self) -> Item {
        let others = self.others.iter();
        let mut item: Item = others.map(|(name, value)| (name.clone(), value.clone())).collect();
        item.extend([
            text(attribute::KEY, CLIENT_VERSION_KEY),
            text(attribute::ENTITY_TYPE, ENTITY),
        ]);
        item.extend(self.changed());
        item
    }

    /// What a change of the state sets.
    pub(crate) fn changed(&self) -> Vec<(String, AttributeValue)> {
        let past = |modified: &Modified| AttributeValue::M(modified.encode().into_iter().collect());
        let history = AttributeValue::L(self.history.iter().take(HISTORY).map(past).collect());
        let mut set = self.current.encode();
        set.push((attribute::HISTORY.to_owned(), history));
        set
    }
}

impl Modified {
    fn decode(fields: Fields<'_>) -> Result<Self, FleetRowError> {
        let state = fields.text(attribute::CLIENT_VERSION)?;
        let state = fields.required(attribute::CLIENT_VERSION, state)?;
        Ok(Self {
            state: ClientVersionState::named(state),
            by: fields.text(attribute::MODIFIED_BY)?.map(WorkerId::new),
            at: fields.count(attribute::MODIFIED_AT)?,
        })
    }

    fn encode(&self) -> Vec<(String, AttributeValue)> {
        let mut set = vec![text(attribute::CLIENT_VERSION, self.state.name())];
        set.extend(self.by.iter().map(|by| text(attribute::MODIFIED_BY, by.as_str())));
        set.extend(self.at.map(|at| number(attribute::MODIFIED_AT, at)));
        set
    }
}

impl TableMigration {
    /// Reads the row.
    ///
    /// # Errors
    ///
    /// If the status is missing or no string.
    pub(crate) fn decode(attributes: &OtherAttributes) -> Result<Self, FleetRowError> {
        let fields = Fields::of(attributes)?;
        let status = fields.text(attribute::TABLE_MIGRATION)?;
        let status = fields.required(attribute::TABLE_MIGRATION, status)?.to_owned();
        Ok(Self { status })
    }
}
