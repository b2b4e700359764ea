//! The thread in real time: where the future runs, how it ends, and that nobody waits for the thread.

use std::future::pending;
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use tokio::runtime::Runtime;

use super::*;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Set in the process that [`a_lease_thread_does_not_keep_its_process_alive`] starts.
const CHILD: &str = "KCL_TEST_OF_LEASE_THREAD";

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

/// A future that says when it runs and when it is dropped, the latter by closing the channel.
fn reporting() -> (
    impl FnOnce() -> futures::future::BoxFuture<'static, ()> + Send,
    mpsc::Receiver<()>,
) {
    let (sender, receiver) = mpsc::channel();
    let make = move || -> futures::future::BoxFuture<'static, ()> {
        Box::pin(async move {
            sender.send(()).unwrap();
            pending::<()>().await;
            drop(sender);
        })
    };
    (make, receiver)
}

#[track_caller]
fn assert_dropped(receiver: &mpsc::Receiver<()>) {
    assert_eq!(receiver.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn the_future_runs_on_a_named_thread_of_its_own_and_its_result_comes_back() {
    let mut leases = LeaseRuntime::OwnThread.spawn(|| async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        thread::current().name().map(str::to_owned)
    });
    let result = runtime().block_on(async { tokio::time::timeout(PATIENCE, leases.ended()).await });
    assert_eq!(result.unwrap().unwrap().as_deref(), Some(THREAD_NAME));
    let again = runtime().block_on(leases.ended());
    assert!(matches!(again, Err(LeaseThreadError::Ended)), "{again:?}");
}

#[test]
fn the_result_is_not_lost_when_the_wait_for_it_is_dropped() {
    let (give, given) = oneshot::channel();
    let mut leases = LeaseRuntime::OwnThread.spawn(|| async { given.await.unwrap() });
    let result = runtime().block_on(async {
        tokio::select! {
            biased;
            early = leases.ended() => panic!("{early:?}"),
            () = std::future::ready(()) => {}
        }
        give.send(7).unwrap();
        tokio::time::timeout(PATIENCE, leases.ended()).await
    });
    assert_eq!(result.unwrap().unwrap(), 7);
}

#[test]
fn it_runs_while_the_thread_that_started_it_is_blocked() {
    let (sender, receiver) = mpsc::channel();
    runtime().block_on(async {
        let _leases = LeaseRuntime::OwnThread.spawn(move || async move {
            for n in 0..3 {
                tokio::time::sleep(Duration::from_millis(1)).await;
                sender.send(n).unwrap();
            }
        });
        let received: Vec<i32> = (0..3).map(|_| receiver.recv_timeout(PATIENCE).unwrap()).collect();
        assert_eq!(received, [0, 1, 2]);
    });
}

#[test]
fn a_drop_outside_of_any_runtime_drops_the_future() {
    let (make, receiver) = reporting();
    let leases = LeaseRuntime::OwnThread.spawn(make);
    receiver.recv_timeout(PATIENCE).unwrap();
    drop(leases);
    assert_dropped(&receiver);
}

#[test]
fn a_drop_inside_an_async_context_drops_the_future() {
    let (make, receiver) = reporting();
    runtime().block_on(async {
        let leases = LeaseRuntime::OwnThread.spawn(make);
        receiver.recv_timeout(PATIENCE).unwrap();
        drop(leases);
    });
    assert_dropped(&receiver);
}

#[test]
fn the_end_of_the_runtime_that_holds_it_drops_the_future() {
    let (make, receiver) = reporting();
    let application = runtime();
    let mut tasks = JoinSet::new();
    tasks.spawn_on(
        async move {
            let mut leases = LeaseRuntime::OwnThread.spawn(make);
            leases.ended().await.unwrap();
        },
        application.handle(),
    );
    application.block_on(tokio::task::yield_now());
    receiver.recv_timeout(PATIENCE).unwrap();
    drop(application);
    assert_dropped(&receiver);
}

#[test]
fn a_drop_ends_the_tasks_that_the_future_left_to_its_runtime() {
    let (make, receiver) = reporting();
    let leases = LeaseRuntime::OwnThread.spawn(|| async move {
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { make().await });
        // As a connection's task, which belongs to nobody.
        tasks.detach_all();
        pending::<()>().await;
    });
    receiver.recv_timeout(PATIENCE).unwrap();
    drop(leases);
    assert_dropped(&receiver);
}

#[test]
fn a_drop_does_not_wait_for_a_poll_that_blocks_nor_for_a_blocking_task() {
    let (sender, receiver) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (release_task, task_released) = mpsc::channel::<()>();
    let leases = LeaseRuntime::OwnThread.spawn(move || async move {
        // As a name lookup that hangs.
        let mut tasks = JoinSet::new();
        tasks.spawn_blocking(move || task_released.recv_timeout(2 * PATIENCE));
        tasks.detach_all();
        sender.send(()).unwrap();
        let outcome = released.recv_timeout(2 * PATIENCE);
        // Not reached by a thread that was released by an expired wait.
        assert_eq!(outcome, Ok(()));
        pending::<()>().await;
        drop(sender);
    });
    receiver.recv_timeout(PATIENCE).unwrap();
    drop(leases);
    release.send(()).expect("the poll still blocks");
    assert_dropped(&receiver);
    release_task.send(()).expect("the blocking task still runs");
}

#[test]
fn the_result_does_not_wait_for_a_blocking_task() {
    let (release, released) = mpsc::channel::<()>();
    let mut leases = LeaseRuntime::OwnThread.spawn(move || async move {
        let mut tasks = JoinSet::new();
        tasks.spawn_blocking(move || released.recv_timeout(2 * PATIENCE));
        tasks.detach_all();
    });
    let result = runtime().block_on(async { tokio::time::timeout(PATIENCE, leases.ended()).await });
    result.unwrap().unwrap();
    release.send(()).expect("the blocking task still runs");
}

#[test]
fn a_panic_of_the_future_or_of_its_making_is_an_error() {
    let polled = LeaseRuntime::OwnThread.spawn(|| async { panic!("polled, as the test wants it") });
    let made = LeaseRuntime::OwnThread.spawn(|| -> std::future::Ready<()> { panic!("made, as the test wants it") });
    for mut leases in [polled, made] {
        let result = runtime().block_on(async { tokio::time::timeout(PATIENCE, leases.ended()).await });
        let result = result.unwrap();
        assert!(matches!(result, Err(LeaseThreadError::Panicked)), "{result:?}");
    }
}

/// This is the child of the next test; in any other process it does nothing.
#[test]
fn a_process_that_ends_with_a_lease_thread() {
    if std::env::var_os(CHILD).is_some() {
        let (make, receiver) = reporting();
        let leases = LeaseRuntime::OwnThread.spawn(make);
        receiver.recv_timeout(PATIENCE).unwrap();
        // Not dropped: as in a process that returns from `main` while a worker runs elsewhere.
        std::mem::forget(leases);
    }
}

#[test]
fn a_lease_thread_does_not_keep_its_process_alive() {
    let name = "worker::lease_thread::tests::a_process_that_ends_with_a_lease_thread";
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child = command.args(["--exact", name]).env(CHILD, "1").spawn().unwrap();
    let id = child.id();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait()));
    let status = receiver.recv_timeout(PATIENCE);
    let status = status.unwrap_or_else(|_| panic!("process {id} does not end")).unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test(start_paused = true)]
async fn in_a_simulation_the_future_runs_on_the_simulations_runtime_and_passes_through_its_tasks() {
    let (named, names) = mpsc::channel();
    let tasks = Tasks::wrapped_by(move |name, task| {
        named.send(name).unwrap();
        task
    });
    let here = thread::current().id();
    let mut leases = LeaseRuntime::Here(tasks).spawn(move || async move {
        tokio::time::sleep(Duration::from_secs(60 * 60)).await;
        thread::current().id() == here
    });
    assert!(leases.ended().await.unwrap());
    assert_eq!(names.try_recv(), Ok("leases"));
    assert!(matches!(leases.ended().await, Err(LeaseThreadError::Ended)));
}

#[tokio::test(start_paused = true)]
async fn in_a_simulation_a_drop_drops_the_future_and_a_panic_is_an_error() {
    let (make, receiver) = reporting();
    let leases = LeaseRuntime::Here(Tasks::default()).spawn(make);
    tokio::task::yield_now().await;
    receiver.try_recv().unwrap();
    drop(leases);
    tokio::task::yield_now().await;
    assert_eq!(receiver.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    let panics = || async { panic!("as the test wants it") };
    let mut leases: LeaseThread<()> = LeaseRuntime::Here(Tasks::default()).spawn(panics);
    assert!(matches!(leases.ended().await, Err(LeaseThreadError::Panicked)));
}
