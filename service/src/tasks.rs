//! The one way by which the libraries start a task.

use std::fmt;
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::oneshot;

/// Makes the task that runs out of a task of a library and its name.
type Wrap = dyn Fn(&'static str, BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync;

/// Wraps each task before it is spawned. By default it wraps nothing.
#[derive(Clone, Default)]
pub struct Tasks {
    wrap: Option<Arc<Wrap>>,
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("wrapped", &self.wrap.is_some()).finish()
    }
}

impl Tasks {
    /// Passes each task and its name through `wrap`; what `wrap` returns runs in the task's place.
    pub fn wrapped_by(
        wrap: impl Fn(&'static str, BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        Self {
            wrap: Some(Arc::new(wrap)),
        }
    }

    /// The future to spawn for a task that nobody waits for. It ends with what the wrapper makes of the task.
    pub fn detached(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> BoxFuture<'static, ()> {
        match &self.wrap {
            Some(wrap) => wrap(name, Box::pin(task)),
            None => Box::pin(task),
        }
    }

    /// The future to spawn for a task that may be lost without harm to the others.
    ///
    /// # Errors
    ///
    /// [`Lost`] if the task panicked, or its wrapper did, or dropped it before its end.
    pub fn named<T: Send + 'static>(
        &self,
        name: &'static str,
        task: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Result<T, Lost>> + Send + 'static {
        let (tasks, task) = (self.clone(), boxed(task));
        async move {
            let (done, result) = oneshot::channel();
            let task = async move { drop(done.send(task.await)) };
            // A wrapper may panic when it is called, polled or dropped: all of it happens in here.
            let wrapped = async move { tasks.detached(name, task).await };
            // However it ends, the result was sent, or is still to come from where the wrapper took the task.
            drop(AssertUnwindSafe(wrapped).catch_unwind().await);
            result.await.map_err(|_dropped| Lost)
        }
    }

    /// The future to spawn for a task without which the others cannot go on.
    ///
    /// A panic of the task or of its wrapper goes through, to where the future is joined. A wrapper that drops the task
    /// has killed the process, as far as the simulation goes: the future never ends.
    pub fn vital<T: Send + 'static>(
        &self,
        name: &'static str,
        task: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let (tasks, task) = (self.clone(), boxed(task));
        async move {
            if tasks.wrap.is_none() {
                return task.await;
            }
            let (done, result) = oneshot::channel();
            let task = async move { drop(done.send(task.await)) };
            tasks.detached(name, task).await;
            match result.await {
                Ok(result) => result,
                Err(_dropped) => pending().await,
            }
        }
    }
}

/// Puts a task into memory of its own. A future that awaits another holds all of it, once for each place in which it may
/// stand: a task of 7 KB needed 40 KB.
fn boxed<T>(task: impl Future<Output = T> + Send + 'static) -> BoxFuture<'static, T> {
    Box::pin(task)
}

/// A task ended without its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost;

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    fn named(
        wrap: impl Fn(BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Result<u8, Lost> {
        let tasks = Tasks::wrapped_by(move |name, task| {
            assert_eq!(name, "call");
            wrap(task)
        });
        tasks.named("call", ready(7)).now_or_never().unwrap()
    }

    #[test]
    fn a_task_that_nobody_waits_for_ends_when_its_wrapper_drops_it() {
        let killing = Tasks::wrapped_by(|_name, _task| ready(()).boxed());
        assert_eq!(killing.detached("driver", pending()).now_or_never(), Some(()));
        assert_eq!(Tasks::default().detached("driver", ready(())).now_or_never(), Some(()));
    }

    #[test]
    fn a_task_has_its_result_however_its_wrapper_ends_after_it() {
        assert_eq!(Tasks::default().named("call", ready(7)).now_or_never(), Some(Ok(7)));
        assert_eq!(named(|task| task), Ok(7));
        assert_eq!(named(|task| task.map(|()| panic!("after the task")).boxed()), Ok(7));
    }

    #[test]
    fn a_task_that_panics_or_is_dropped_is_lost_and_not_waited_for() {
        let panicking = Tasks::default().named("call", async { panic!("in the task") });
        assert_eq!(panicking.now_or_never(), Some(Err::<(), _>(Lost)));
        assert_eq!(named(|_task| ready(()).boxed()), Err(Lost));
        assert_eq!(named(|_task| panic!("in place of the task")), Err(Lost));
    }

    #[test]
    fn a_task_that_its_wrapper_runs_elsewhere_is_waited_for() {
        let elsewhere = Arc::new(std::sync::Mutex::new(None));
        let there = Arc::clone(&elsewhere);
        let tasks = Tasks::wrapped_by(move |_name, task| {
            *there.lock().unwrap() = Some(task);
            ready(()).boxed()
        });
        let mut waiting = Box::pin(tasks.named("call", ready(7)));
        assert_eq!(waiting.as_mut().now_or_never(), None);
        let task = elsewhere.lock().unwrap().take().unwrap();
        task.now_or_never().unwrap();
        assert_eq!(waiting.now_or_never(), Some(Ok(7)));
    }

    #[test]
    fn a_vital_task_that_its_wrapper_drops_never_ends_and_one_that_panics_takes_its_owner_along() {
        assert_eq!(Tasks::default().vital("renewer", ready(7)).now_or_never(), Some(7));
        let passing = Tasks::wrapped_by(|_name, task| task);
        assert_eq!(passing.vital("renewer", ready(7)).now_or_never(), Some(7));
        let killing = Tasks::wrapped_by(|_name, _task| ready(()).boxed());
        assert_eq!(killing.vital("renewer", ready(7)).now_or_never(), None);
        let panicking = passing.vital("renewer", async { panic!("in the task") });
        let caught = AssertUnwindSafe(panicking).catch_unwind().now_or_never();
        assert!(matches!(caught, Some(Err::<(), _>(_))));
    }
}
