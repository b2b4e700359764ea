//! Pure: the requests that make the writes of rows that are no leases.

#[expect(clippy::disallowed_types, reason = "the SDK's type for expressions; never iterated")]
use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::coordination::rows::attribute;
use crate::coordination::rows::lock::{RELEASED, lease_duration};
use crate::coordination::write::{FleetWrite, LockWrite, TakeWhen};
use crate::lease::item::Item;

/// One request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) kind: RequestKind,
    pub(super) check: Check,
}

/// The condition of a request, and what its expressions stand for.
#[derive(Debug)]
pub(super) struct Check {
    /// `None`: it is made in any case.
    pub(super) condition: Option<String>,
    pub(super) names: Names,
    /// `None` if there are none: the service refuses an empty map.
    pub(super) values: Option<Item>,
}

#[expect(clippy::disallowed_types, reason = "the SDK's type for expressions; never iterated")]
pub(super) type Names = Option<HashMap<String, String>>;

#[derive(Debug)]
pub(super) enum RequestKind {
    /// The whole row.
    Put(Item),
    /// What is set.
    Update(String),
    Delete,
}

/// A request that grows. Each attribute `a` is `#a`, and its value `:a`: some names are reserved words.
#[derive(Debug, Default)]
struct Clauses {
    condition: Vec<String>,
    set: Vec<String>,
    names: Vec<(String, String)>,
    values: Vec<(String, AttributeValue)>,
}

impl Request {
    /// The request that makes `write`.
    pub(super) fn of(write: &FleetWrite) -> Self {
        let mut clauses = Clauses::default();
        match write {
            FleetWrite::CreateClientVersion(version) => {
                clauses.is_absent();
                clauses.put(version.encode())
            }
            FleetWrite::ChangeClientVersion { from, to } => {
                clauses.exists();
                clauses.is(
                    attribute::CLIENT_VERSION,
                    ":from",
                    AttributeValue::S(from.name().to_owned()),
                );
                clauses.update(to.changed())
            }
            FleetWrite::Report(metrics) => clauses.update(metrics.reported()),
            FleetWrite::DeleteMetrics { updated, .. } => {
                clauses.exists();
                clauses.is(attribute::LAST_UPDATE, ":read", AttributeValue::N(updated.to_string()));
                clauses.finish(RequestKind::Delete)
            }
            FleetWrite::Lock(write) => clauses.lock(write),
        }
    }
}

impl Clauses {
    fn lock(mut self, write: &LockWrite) -> Request {
        match write {
            LockWrite::Take { lock, when } => {
                match when {
                    TakeWhen::Absent => self.is_absent(),
                    TakeWhen::Released => {
                        self.exists();
                        self.is(
                            attribute::IS_RELEASED,
                            ":released",
                            AttributeValue::S(RELEASED.to_owned()),
                        );
                    }
                    TakeWhen::Version(seen) => {
                        self.exists();
                        self.version_is(seen.value());
                    }
                }
                self.put(lock.encode())
            }
            LockWrite::Heartbeat {
                holder,
                seen,
                next,
                lease,
            } => {
                self.is_held(holder.as_str(), seen.value());
                let next = next.value().map(|next| (attribute::VERSION.to_owned(), next.clone()));
                self.update(std::iter::once(lease_duration(*lease)).chain(next))
            }
            LockWrite::Delete { holder, seen } => {
                self.is_held(holder.as_str(), seen.value());
                self.finish(RequestKind::Delete)
            }
        }
    }

    fn is_held(&mut self, holder: &str, seen: Option<&AttributeValue>) {
        self.exists();
        self.version_is(seen);
        self.is(attribute::OWNER_NAME, ":holder", AttributeValue::S(holder.to_owned()));
    }

    fn version_is(&mut self, seen: Option<&AttributeValue>) {
        match seen {
            Some(seen) => self.is(attribute::VERSION, ":seen", seen.clone()),
            None => {
                let name = self.name(attribute::VERSION);
                self.condition.push(format!("attribute_not_exists({name})"));
            }
        }
    }

    fn is_absent(&mut self) {
        let key = self.name(attribute::KEY);
        self.condition.push(format!("attribute_not_exists({key})"));
    }

    fn exists(&mut self) {
        let key = self.name(attribute::KEY);
        self.condition.push(format!("attribute_exists({key})"));
    }

    fn is(&mut self, attribute: &str, placeholder: &str, value: AttributeValue) {
        let name = self.name(attribute);
        self.condition.push(format!("{name} = {placeholder}"));
        self.values.push((placeholder.to_owned(), value));
    }

    fn name(&mut self, attribute: &str) -> String {
        let name = format!("#{attribute}");
        self.names.push((name.clone(), attribute.to_owned()));
        name
    }

    fn put(self, item: Item) -> Request {
        self.finish(RequestKind::Put(item))
    }

    fn update(mut self, set: impl IntoIterator<Item = (String, AttributeValue)>) -> Request {
        for (attribute, value) in set {
            let name = self.name(&attribute);
            self.set.push(format!("{name} = :{attribute}"));
            self.values.push((format!(":{attribute}"), value));
        }
        let update = format!("SET {}", self.set.join(", "));
        self.finish(RequestKind::Update(update))
    }

    fn finish(self, kind: RequestKind) -> Request {
        let Self {
            condition,
            names,
            values,
            ..
        } = self;
        let check = Check {
            condition: (!condition.is_empty()).then(|| condition.join(" AND ")),
            names: (!names.is_empty()).then(|| names.into_iter().collect()),
            values: (!values.is_empty()).then(|| values.into_iter().collect()),
        };
        Request { kind, check }
    }
}
