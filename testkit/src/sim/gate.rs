//! What stops and ends the tasks of one simulated process, whatever they are doing, and puts their polls into an order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures::future::BoxFuture;

use super::poll_order::{Hesitation, Turns};

/// Every task of one life of a process is polled through this.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    stops: BTreeSet<Stop>,
    turns: Turns,
    entered: u64,
    /// The tasks that have not ended, in the order of their start.
    tasks: BTreeMap<u64, Task>,
}

#[derive(Debug)]
struct Task {
    name: &'static str,
    hesitation: Hesitation,
    waker: Waker,
}

/// Whether tasks are polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    Open,
    /// Not for now.
    Stopped,
    /// Never again: they are dropped as soon as the runtime comes to them, before any other line of theirs.
    Dead,
}

/// Why tasks are not polled. Each has to end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stop {
    Frozen,
    Suspended,
    /// For good.
    Dead,
}

impl Gate {
    /// An open gate, whose tasks are polled by these turns.
    pub(super) fn new(turns: Turns) -> Self {
        let state = State {
            turns,
            ..State::default()
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// The task that runs in place of `task`. Its result is `None` if the process dies first.
    pub(super) fn admit<T>(self: &Arc<Self>, name: &'static str, task: BoxFuture<'static, T>) -> Gated<T> {
        let mut state = self.state();
        let id = state.entered;
        state.entered += 1;
        let new = Task {
            name,
            hesitation: state.turns.hesitation(),
            waker: Waker::noop().clone(),
        };
        state.tasks.insert(id, new);
        drop(state);
        Gated {
            gate: Arc::clone(self),
            id,
            held_back: None,
            task: Some(task),
        }
    }

    pub(super) fn passage(&self) -> Passage {
        self.state().passage()
    }

    /// Stops the tasks.
    pub(super) fn stop(&self, stop: Stop) {
        self.change(|state| {
            state.stops.insert(stop);
        });
    }

    /// Ends what stopped the tasks; if nothing else does, they go on in an order of their own, whatever they wait for. The
    /// dead stay dead.
    pub(super) fn go_on(&self, stopped: Stop) {
        if stopped != Stop::Dead {
            self.change(|state| {
                state.stops.remove(&stopped);
            });
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let mut wakers: Vec<Waker> = state.tasks.values().map(|task| task.waker.clone()).collect();
        state.turns.shuffle(&mut wakers);
        drop(state);
        wakers.iter().for_each(Waker::wake_by_ref);
    }

    /// The names of the tasks that have not ended.
    pub(super) fn tasks(&self) -> Vec<&'static str> {
        self.state().tasks.values().map(|task| task.name).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes whom to wake when the gate changes.
    fn arrive(&self, id: u64, waker: &Waker) -> Passage {
        let mut state = self.state();
        if let Some(task) = state.tasks.get_mut(&id)
            && !task.waker.will_wake(waker)
        {
            task.waker = waker.clone();
        }
        state.passage()
    }

    /// For how many rounds a task that was just woken lets others go first.
    fn rounds(&self, id: u64) -> u8 {
        let mut state = self.state();
        let hesitation = state.tasks.get(&id).map(|task| task.hesitation);
        hesitation.map_or(0, |hesitation| state.turns.rounds(hesitation))
    }

    fn leave(&self, id: u64) {
        self.state().tasks.remove(&id);
    }
}

impl State {
    fn passage(&self) -> Passage {
        match self.stops.last() {
            None => Passage::Open,
            Some(Stop::Frozen | Stop::Suspended) => Passage::Stopped,
            Some(Stop::Dead) => Passage::Dead,
        }
    }
}

/// A task behind a [`Gate`].
pub(super) struct Gated<T> {
    gate: Arc<Gate>,
    id: u64,
    /// For how many more rounds the task lets others go first; `None` if it was not woken since its last poll.
    held_back: Option<u8>,
    task: Option<BoxFuture<'static, T>>,
}

impl<T> fmt::Debug for Gated<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gated").field("id", &self.id).finish_non_exhaustive()
    }
}

impl<T> Gated<T> {
    fn lets_others_go_first(&mut self) -> bool {
        let rounds = self.held_back.take().unwrap_or_else(|| self.gate.rounds(self.id));
        if rounds > 0 {
            self.held_back = Some(rounds - 1);
        }
        rounds > 0
    }
}

impl<T> Future for Gated<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        match self.gate.arrive(self.id, cx.waker()) {
            Passage::Stopped => Poll::Pending,
            Passage::Dead => {
                self.task = None;
                self.gate.leave(self.id);
                Poll::Ready(None)
            }
            Passage::Open if self.lets_others_go_first() => {
                // The runtime polls everything that is ready now before it comes back.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Passage::Open => match &mut self.task {
                Some(task) => task.as_mut().poll(cx).map(Some),
                None => Poll::Ready(None),
            },
        }
    }
}

impl<T> Drop for Gated<T> {
    fn drop(&mut self) {
        self.task = None;
        self.gate.leave(self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use futures::FutureExt as _;
    use tokio::sync::{mpsc, oneshot};
    use tokio::task::JoinSet;
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::clock::VirtualClock;
    use crate::sim::poll_order::PollOrder;

    /// A task that counts the seconds.
    fn counting(gate: &Arc<Gate>) -> (Gated<()>, Arc<AtomicU32>) {
        let count = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&count);
        let task = async move {
            loop {
                sleep(Duration::from_secs(1)).await;
                counted.fetch_add(1, Ordering::Relaxed);
            }
        };
        (gate.admit("counting", task.boxed()), count)
    }

    #[tokio::test(start_paused = true)]
    async fn a_frozen_task_stands_still_and_goes_on_when_thawed() {
        let gate = Arc::new(Gate::default());
        let (task, count) = counting(&gate);
        let mut tasks = JoinSet::new();
        tasks.spawn(task);
        sleep(Duration::from_millis(2_500)).await;
        gate.stop(Stop::Frozen);
        sleep(Duration::from_secs(10)).await;
        assert_eq!(count.load(Ordering::Relaxed), 2);
        gate.go_on(Stop::Frozen);
        sleep(Duration::from_millis(1_500)).await;
        assert_eq!(
            count.load(Ordering::Relaxed),
            4,
            "the timer that ran out meanwhile, and the next"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_task_ends_without_another_step() {
        let gate = Arc::new(Gate::default());
        let (task, count) = counting(&gate);
        let mut tasks = JoinSet::new();
        tasks.spawn(task);
        sleep(Duration::from_secs(1)).await;
        let before = count.load(Ordering::Relaxed);
        gate.stop(Stop::Dead);
        let ended = timeout(Duration::from_millis(1), tasks.join_next()).await.unwrap();
        assert_eq!(ended.unwrap().unwrap(), None);
        assert_eq!(count.load(Ordering::Relaxed), before);
        gate.go_on(Stop::Frozen);
        assert_eq!(gate.passage(), Passage::Dead);
    }

    /// The order in which five tasks go on that are woken at the same instant, three times one after the other.
    async fn order_of(turns: Turns) -> Vec<usize> {
        let gate = Arc::new(Gate::new(turns));
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        for number in 0..5 {
            let order = Arc::clone(&order);
            let task = async move {
                for _ in 0..3 {
                    sleep(Duration::from_secs(1)).await;
                    order.lock().unwrap().push(number);
                }
            };
            tasks.spawn(gate.admit("woken", task.boxed()));
        }
        let clock = VirtualClock::start();
        tasks.join_all().await;
        assert_eq!(
            clock.elapsed(),
            Duration::from_secs(3),
            "no time passes while tasks are held back"
        );
        order.lock().unwrap().clone()
    }

    const SHUFFLED: PollOrder = PollOrder { percent: 60, rounds: 3 };

    #[tokio::test(start_paused = true)]
    async fn tasks_that_are_woken_at_once_go_on_in_the_order_of_the_seed() {
        let as_woken = order_of(Turns::default()).await;
        let shuffled = order_of(Turns::new(SHUFFLED, 1)).await;
        assert_ne!(shuffled, as_woken);
        assert_eq!(shuffled, order_of(Turns::new(SHUFFLED, 1)).await);
        assert_ne!(shuffled, order_of(Turns::new(SHUFFLED, 2)).await);
    }

    /// Which goes on first when both are due in the same millisecond: a task whose time has come, or one whose answer has.
    async fn first_of_timer_and_answer(seed: u64) -> &'static str {
        let gate = Arc::new(Gate::new(Turns::new(SHUFFLED, seed)));
        let (first, mut told) = mpsc::channel(2);
        let (answer, answered) = oneshot::channel();
        let (timer, reply) = (first.clone(), first);
        let mut tasks = JoinSet::new();
        let timed = async move {
            sleep(Duration::from_secs(1)).await;
            timer.try_send("timer").unwrap();
        };
        let waiting = async move {
            answered.await.unwrap();
            reply.try_send("answer").unwrap();
        };
        tasks.spawn(gate.admit("timed", timed.boxed()));
        tasks.spawn(gate.admit("waiting", waiting.boxed()));
        // The network is behind no gate.
        tasks.spawn(async {
            sleep(Duration::from_secs(1)).await;
            answer.send(()).unwrap();
            Some(())
        });
        tasks.join_all().await;
        told.recv().await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_and_an_answer_of_the_same_instant_come_in_either_order() {
        let mut firsts = BTreeSet::new();
        for seed in 0..20 {
            firsts.insert(first_of_timer_and_answer(seed).await);
        }
        assert_eq!(firsts, BTreeSet::from(["answer", "timer"]));
    }

    /// The order in which tasks go on whose times came while they were frozen.
    async fn order_after_a_stall(seed: u64) -> Vec<u64> {
        let gate = Arc::new(Gate::new(Turns::new(SHUFFLED, seed)));
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        for number in 1..=5 {
            let order = Arc::clone(&order);
            let task = async move {
                sleep(Duration::from_secs(number)).await;
                order.lock().unwrap().push(number);
            };
            tasks.spawn(gate.admit("due", task.boxed()));
        }
        sleep(Duration::from_millis(1)).await;
        gate.stop(Stop::Frozen);
        sleep(Duration::from_secs(10)).await;
        gate.go_on(Stop::Frozen);
        tasks.join_all().await;
        order.lock().unwrap().clone()
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_stall_everything_that_is_due_goes_on_in_the_order_of_the_seed() {
        let mut orders = BTreeSet::new();
        for seed in 0..20 {
            orders.insert(order_after_a_stall(seed).await);
            assert_eq!(order_after_a_stall(seed).await, order_after_a_stall(seed).await);
        }
        assert!(orders.len() > 10, "{orders:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_tasks_that_have_not_ended_are_known_by_name() {
        let gate = Arc::new(Gate::default());
        let (task, _count) = counting(&gate);
        let done = gate.admit("done", async { 7 }.boxed());
        assert_eq!(gate.tasks(), ["counting", "done"]);
        assert_eq!(done.await, Some(7));
        assert_eq!(gate.tasks(), ["counting"]);
        drop(task);
        assert!(gate.tasks().is_empty());
    }
}
