//! How a worker shares the shards with its fleet.

use super::WorkerBuilder;
use crate::coordination::rule::Coordination;

impl WorkerBuilder {
    /// By which rule the workers of the fleet share the shards. Default: [`Coordination::Kcl2`].
    #[doc(alias = "ClientVersionConfig")]
    #[doc(hidden)]
    pub fn coordination(mut self, coordination: Coordination) -> Self {
        self.config.coordination = coordination;
        self
    }
}
