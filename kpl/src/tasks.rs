//! The one way by which this crate starts a task.

use std::fmt;
use std::future::pending;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::oneshot;

/// Makes the task that runs out of a task of this crate and its name.
type Wrap = dyn Fn(&'static str, BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync;

/// What every task passes through before it is spawned.
#[derive(Clone, Default)]
pub(crate) struct Tasks {
    wrap: Option<Arc<Wrap>>,
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("wrapped", &self.wrap.is_some()).finish()
    }
}

impl Tasks {
    pub(crate) fn wrapped_by(
        wrap: impl Fn(&'static str, BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        Self {
            wrap: Some(Arc::new(wrap)),
        }
    }

    /// The future to spawn for a task that nobody waits for. It ends with what the wrapper makes of it.
    pub(crate) fn detached(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> BoxFuture<'static, ()> {
        match &self.wrap {
            Some(wrap) => wrap(name, Box::pin(task)),
            None => Box::pin(task),
        }
    }

    /// The future to spawn for `task`.
    ///
    /// A wrapper that drops its task takes it for dead, with all who wait for it: its result never comes.
    pub(crate) fn named<T: Send + 'static>(
        &self,
        name: &'static str,
        task: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let wrap = self.wrap.clone();
        async move {
            let Some(wrap) = wrap else { return task.await };
            let (done, mut result) = oneshot::channel();
            let task = async move { drop(done.send(task.await)) };
            wrap(name, Box::pin(task)).await;
            match result.try_recv() {
                Ok(result) => result,
                Err(_dropped) => pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::ready;

    use super::*;

    #[test]
    fn a_task_that_nobody_waits_for_ends_when_its_wrapper_drops_it() {
        let killing = Tasks::wrapped_by(|_name, _task| Box::pin(ready(())));
        assert_eq!(killing.detached("driver", pending()).now_or_never(), Some(()));
        assert_eq!(
            killing.named("call", pending::<()>()).now_or_never(),
            None,
            "its result never comes"
        );
        assert_eq!(Tasks::default().detached("driver", ready(())).now_or_never(), Some(()));
    }
}
