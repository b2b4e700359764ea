//! Pure: the names of tables and indexes in policies and replies.

/// The account of every caller.
const ACCOUNT: &str = "000000000000";

/// The region of every table.
const REGION: &str = "us-east-1";

/// What dynoxide calls its region.
const DYNOXIDE_REGION: &str = ":dynoxide:";

/// The ARN of the one who calls.
pub(super) fn caller() -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/testkit")
}

/// The ARN of an index, of a table, or, without either, of all tables.
pub(super) fn resource(table: Option<&str>, index: Option<&str>) -> String {
    let table = table.unwrap_or("*");
    let index = index.map(|index| format!("/index/{index}")).unwrap_or_default();
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}{index}")
}

/// The table in the ARN of a table, an index or a stream.
pub(super) fn table(arn: &str) -> Option<&str> {
    let (_, resource) = arn.split_once(":table/")?;
    resource.split('/').next()
}

/// An ARN of dynoxide's, in our region.
pub(super) fn in_our_region(arn: &str) -> String {
    arn.replacen(DYNOXIDE_REGION, &format!(":{REGION}:"), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_names_the_index_below_its_table() {
        let index = resource(Some("leases"), Some("owners"));
        assert_eq!(
            index,
            "arn:aws:dynamodb:us-east-1:000000000000:table/leases/index/owners"
        );
        assert_eq!(table(&index), Some("leases"));
        assert_eq!(table("leases"), None);
    }
}
