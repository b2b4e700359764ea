//! Why something was refused: one reason, or several of them together.

use std::fmt;
use std::iter;

/// At least one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reasons<K> {
    first: K,
    others: Vec<K>,
}

impl<K> Reasons<K> {
    /// These reasons. `None` if there are none.
    pub fn of(reasons: impl IntoIterator<Item = K>) -> Option<Self> {
        let mut reasons = reasons.into_iter();
        let first = reasons.next()?;
        let others = reasons.collect();
        Some(Self { first, others })
    }

    /// The first reason.
    pub fn first(&self) -> &K {
        &self.first
    }

    /// All reasons, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &K> {
        iter::once(&self.first).chain(&self.others)
    }
}

impl<K> From<K> for Reasons<K> {
    fn from(first: K) -> Self {
        let others = Vec::new();
        Self { first, others }
    }
}

/// All reasons, separated by semicolons.
impl<K: fmt::Display> fmt::Display for Reasons<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        self.others.iter().try_for_each(|other| write!(f, "; {other}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_reasons_are_told_in_their_order() {
        let reasons = Reasons::of(["no name", "no client", "no handler"]).unwrap();
        assert_eq!(*reasons.first(), "no name");
        assert!(reasons.iter().eq(&["no name", "no client", "no handler"]));
        assert_eq!(reasons.to_string(), "no name; no client; no handler");
        assert_eq!(Reasons::from("no name").to_string(), "no name");
    }

    #[test]
    fn nothing_is_no_reason() {
        assert_eq!(Reasons::<&str>::of([]), None);
    }
}
