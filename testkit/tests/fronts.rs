//! Runs a test that takes an SDK configuration on both fronts.

/// Makes two tests of each function: `in_the_sim`, under paused time, and `in_the_sandbox`, over sockets.
macro_rules! on_both_fronts {
    ($($test:ident),+ $(,)?) => {
        mod in_the_sim {
            $(#[tokio::test(start_paused = true)]
            async fn $test() {
                super::$test(&testkit::sim::Sim::new(7).sdk_config()).await;
            })+
        }

        mod in_the_sandbox {
            $(#[tokio::test]
            async fn $test() {
                let sandbox = testkit::sandbox::Sandbox::start().await.expect("a loopback port");
                super::$test(&sandbox.sdk_config()).await;
                sandbox.stop().await;
            })+
        }
    };
}

pub(crate) use on_both_fronts;
