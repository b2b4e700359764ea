//! What each backend of the port is held to: one list of cases, run against all of them in virtual time.
//!
//! [`bench`] makes a table of each kind and lets its calls fail. The cases are in [`lock`], [`metrics`], [`client_version`]
//! and [`failures`].

/// Runs each of the cases against each backend. A case that is not listed is dead code.
macro_rules! run_against_each_backend {
    ($($case:ident,)*) => {
        mod memory {
            $(
                #[tokio::test(start_paused = true)]
                async fn $case() {
                    super::$case(&crate::coordination::table::conformance::bench::Bench::in_memory()).await;
                }
            )*
        }
        mod dynamodb {
            $(
                #[tokio::test(start_paused = true)]
                async fn $case() {
                    super::$case(&crate::coordination::table::conformance::bench::Bench::in_dynamodb().await).await;
                }
            )*
        }
    };
}

mod bench;
mod client_version;
mod coordinator;
mod failures;
mod lock;
mod metrics;
