//! Pure: which calls a rule is for.

use super::request::Access;

/// Which calls a rule is for: those that fit all that is said here.
///
/// A batch or a transaction fits if one of its items does.
///
/// ```
/// use testkit::dynamodb::Calls;
///
/// let renewals_of_one_lease = Calls::of("UpdateItem").on_table("leases").with_key("shardId-000000000000");
/// let everything = Calls::all();
/// # drop((renewals_of_one_lease, everything));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    action: Option<String>,
    table: Option<String>,
    index: Option<String>,
    key: Option<String>,
}

impl Calls {
    /// Every call.
    pub fn all() -> Self {
        Self::default()
    }

    /// The calls of an action, for instance `UpdateItem`. The items of a transaction are actions too: an `Update` in a
    /// TransactWriteItems is an `UpdateItem`, a `ConditionCheck` a `ConditionCheckItem`.
    pub fn of(action: impl Into<String>) -> Self {
        Self {
            action: Some(action.into()),
            ..Self::default()
        }
    }

    /// Of these, the ones on a table or its indexes.
    pub fn on_table(mut self, table: impl Into<String>) -> Self {
        self.table = Some(table.into());
        self
    }

    /// Of these, the ones that read an index of a table.
    pub fn on_index(mut self, table: impl Into<String>, index: impl Into<String>) -> Self {
        self.index = Some(index.into());
        self.on_table(table)
    }

    /// Of these, the ones that name an item by a partition key of this text (or number, or base64), or put such an item.
    /// Never a Query or a Scan.
    pub fn with_key(mut self, partition_key: impl Into<String>) -> Self {
        self.key = Some(partition_key.into());
        self
    }

    /// Tells whether an access to an item of this partition key is meant.
    pub(super) fn include(&self, access: &Access<'_>, partition_key: Option<&str>) -> bool {
        let fits = |wanted: &Option<String>, found: Option<&str>| match wanted {
            Some(wanted) => found == Some(wanted),
            None => true,
        };
        (fits(&self.action, Some(access.action)) || fits(&self.action, Some(access.operation)))
            && fits(&self.table, access.table)
            && fits(&self.index, access.index)
            && fits(&self.key, partition_key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: Access<'static> = Access {
        operation: "Query",
        action: "Query",
        table: Some("leases"),
        index: Some("owners"),
        key: None,
    };

    #[test]
    fn a_rule_is_for_the_calls_that_fit_all_it_says() {
        for rule in [
            Calls::all(),
            Calls::of("Query"),
            Calls::all().on_table("leases"),
            Calls::of("Query").on_index("leases", "owners"),
        ] {
            assert!(rule.include(&QUERY, None), "{rule:?}");
        }
        for rule in [
            Calls::of("Scan"),
            Calls::of("Query").on_table("other"),
            Calls::of("Query").on_index("leases", "other"),
            Calls::of("Query").on_index("other", "owners"),
            Calls::of("Query").with_key("a"),
        ] {
            assert!(!rule.include(&QUERY, None), "{rule:?}");
        }
    }

    #[test]
    fn a_rule_for_an_index_leaves_the_table_alone() {
        let of_the_table = Access { index: None, ..QUERY };
        assert!(
            !Calls::of("Query")
                .on_index("leases", "owners")
                .include(&of_the_table, None)
        );
    }

    #[test]
    fn an_item_of_a_transaction_fits_by_its_action_and_by_its_operation() {
        let update = Access {
            operation: "TransactWriteItems",
            action: "UpdateItem",
            index: None,
            ..QUERY
        };
        assert!(Calls::of("UpdateItem").with_key("a").include(&update, Some("a")));
        assert!(Calls::of("TransactWriteItems").include(&update, Some("a")));
        assert!(!Calls::of("UpdateItem").with_key("b").include(&update, Some("a")));
    }
}
