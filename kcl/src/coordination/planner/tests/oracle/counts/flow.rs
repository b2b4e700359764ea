//! The least cost by a min-cost flow.
//!
//! Leases flow from where they are to where they will be, and on into places. The n-th place of a worker costs more than the
//! one before, a place beyond its room more than all balance, and no place more than that.

use super::{CountCost, Instance, Whose};

const UNPLACED: i64 = 1_000_000_000_000;
const BEYOND_ROOM: i64 = 1_000_000_000;
const SQUARE: i64 = 1_000;

#[derive(Debug, Clone, Copy)]
struct Arc {
    to: usize,
    capacity: i64,
    cost: i64,
}

/// Arcs in pairs: each is followed by the one that takes it back.
#[derive(Debug, Default)]
struct Network {
    arcs: Vec<Arc>,
    from: Vec<Vec<usize>>,
}

impl Network {
    fn node(&mut self) -> usize {
        self.from.push(Vec::new());
        self.from.len() - 1
    }

    fn arc(&mut self, from: usize, to: usize, capacity: usize, cost: i64) -> usize {
        let capacity = i64::try_from(capacity).unwrap();
        let at = self.arcs.len();
        self.arcs.push(Arc { to, capacity, cost });
        self.arcs.push(Arc {
            to: from,
            capacity: 0,
            cost: -cost,
        });
        self.from[from].push(at);
        self.from[to].push(at + 1);
        at
    }

    /// Sends as much as possible at the least cost, path by path.
    fn send(&mut self, source: usize, sink: usize) {
        while let Some(path) = self.cheapest(source, sink) {
            for at in path {
                self.arcs[at].capacity -= 1;
                self.arcs[at ^ 1].capacity += 1;
            }
        }
    }

    /// Bellman and Ford, with a queue.
    fn cheapest(&self, source: usize, sink: usize) -> Option<Vec<usize>> {
        let mut cost = vec![i64::MAX; self.from.len()];
        let mut by = vec![None; self.from.len()];
        let mut queue = std::collections::VecDeque::from([source]);
        cost[source] = 0;
        while let Some(node) = queue.pop_front() {
            for at in &self.from[node] {
                let Arc {
                    to,
                    capacity,
                    cost: more,
                } = self.arcs[*at];
                if capacity > 0 && cost[node] + more < cost[to] {
                    cost[to] = cost[node] + more;
                    by[to] = Some(*at);
                    queue.push_back(to);
                }
            }
        }
        let mut path = Vec::new();
        let mut node = sink;
        while node != source {
            let at: usize = by[node]?;
            path.push(at);
            node = self.arcs[at ^ 1].to;
        }
        Some(path)
    }
}

pub(super) fn least_count_cost(instance: &Instance) -> CountCost {
    let workers = instance.rooms.len();
    let count = |is: &dyn Fn(Whose) -> bool| instance.leases.iter().filter(|(whose, _)| is(*whose)).count();
    let fixed: Vec<_> = (0..workers)
        .map(|at| count(&|whose| matches!(whose, Whose::Passing(_, to) if to == at)))
        .collect();
    let mine: Vec<_> = (0..workers).map(|at| count(&|whose| whose == Whose::Of(at))).collect();
    let unread = count(&|whose| matches!(whose, Whose::Nobodys | Whose::Expired));
    let mut network = Network::default();
    let (source, sink, nobodys) = (network.node(), network.node(), network.node());
    let before: Vec<_> = (0..workers).map(|_| network.node()).collect();
    let after: Vec<_> = (0..workers).map(|_| network.node()).collect();
    network.arc(source, nobodys, unread, 0);
    let unplaced = network.arc(nobodys, sink, unread, UNPLACED);
    let mut moves = Vec::new();
    let mut places = Vec::new();
    for at in 0..workers {
        network.arc(source, before[at], mine[at], 0);
        network.arc(nobodys, after[at], unread, 0);
        for (to, node) in after.iter().enumerate() {
            let arc = network.arc(before[at], *node, mine[at], i64::from(to != at));
            moves.extend((to != at).then_some(arc));
        }
        let most = instance.rooms[at].max(fixed[at] + mine[at]).min(instance.leases.len());
        for place in fixed[at]..most {
            let beyond = i64::from(place >= instance.rooms[at]) * BEYOND_ROOM;
            let square = SQUARE * i64::try_from(2 * place + 1).unwrap();
            places.push((at, network.arc(after[at], sink, 1, square + beyond)));
        }
    }
    network.send(source, sink);
    let sent = |arc: &usize| usize::try_from(network.arcs[arc ^ 1].capacity).unwrap();
    let mut counts = fixed;
    places.iter().for_each(|(at, arc)| counts[*at] += sent(arc));
    CountCost::of_counts(instance, &counts, sent(&unplaced), moves.iter().map(sent).sum())
}
