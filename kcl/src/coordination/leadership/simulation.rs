//! Fleets of Rust and Java workers that contend for the lock, in virtual time, with clocks that differ in rate, calls that are
//! late, lost or refused, and processes that are suspended, killed and restarted.
//!
//! `world` lets time pass and carries the calls; `java` is a worker as KCL 3.5.1 has it.

use proptest::prelude::*;

use self::world::{Faults, Start, World};

mod java;
mod world;

/// Microseconds in a second.
const SECOND: u64 = 1_000_000;

/// The longest way of a request that is not late, and of a reply, each.
const WAY: u64 = 50_000;

fn start() -> impl Strategy<Value = Start> {
    prop_oneof![
        Just(Start::Nothing),
        Just(Start::LockOfADeadJava),
        Just(Start::DamagedLock),
        Just(Start::LockLikeALease)
    ]
}

proptest! {
    #[test]
    fn no_two_workers_lead_at_the_same_time_whatever_happens_and_afterwards_one_leads(
        seed: u64,
        start in start(),
        (rust, java) in (1_usize..=3, 0_usize..=2),
        share_an_id: bool,
    ) {
        let mut world = World::new(seed, start, (rust, java));
        if share_an_id {
            world.give_two_the_same_id();
        }
        world.run(Faults::All, 300 * SECOND)?;
        world.revive_all();
        // The last late request arrives, the last pause ends.
        world.run(Faults::None, 60 * SECOND)?;
        world.run_until_somebody_leads()?;
    }

    #[test]
    fn after_the_leader_has_died_another_worker_leads_within_the_lease_of_its_row_and_ten_seconds(
        seed: u64,
        (rust, java) in (2_usize..=3, 0_usize..=2),
    ) {
        let mut world = World::new(seed, Start::Nothing, (rust, java));
        world.run_until_somebody_leads()?;
        for _ in 0..4 {
            let settled = world.some_time(40);
            world.run(Faults::None, settled)?;
            let Some(dead) = world.kill_the_leader() else { continue };
            world.run_until_somebody_leads()?;
            world.revive(dead);
        }
    }

    #[test]
    fn after_a_restart_under_its_id_a_leader_leads_again_within_seconds(seed: u64) {
        let mut world = World::new(seed, Start::Nothing, (1, 0));
        world.run_until_somebody_leads()?;
        for _ in 0..4 {
            let settled = world.some_time(40);
            world.run(Faults::None, settled)?;
            let dead = world.kill_the_leader().unwrap();
            // Its last request arrives meanwhile.
            world.run(Faults::None, SECOND / 10)?;
            world.revive(dead);
            let took = world.run_until_somebody_leads()?;
            prop_assert!(took < 7 * SECOND, "{took} µs");
        }
    }

    #[test]
    fn a_leader_leads_without_a_break_while_one_heartbeat_in_four_fails(seed: u64) {
        let mut world = World::new(seed, Start::Nothing, (1, 0));
        world.run_until_somebody_leads()?;
        world.run(Faults::OneInFour, 600 * SECOND)?;
        world.run(Faults::None, 10 * SECOND)?;
        prop_assert_eq!(world.terms(0), 1);
    }

    #[test]
    fn a_leader_leads_on_after_round_trips_have_come_to_take_one_to_two_seconds(seed: u64) {
        let mut world = World::new(seed, Start::Nothing, (1, 0));
        world.run_until_somebody_leads()?;
        let mut led = 0;
        for _ in 0..100 {
            world.run(Faults::Slow, SECOND)?;
            led += u32::from(world.is_led());
        }
        prop_assert!(led >= 94, "{led} of 100 seconds");
        prop_assert_eq!(world.terms(0), 1);
    }
}
