//! Fleets in true time, with latencies, lost calls and crashes: when is a dead worker found, and is a live one left alone?

use std::time::Duration;

use self::world::{Figures, Fleet, Weather, World};

pub(super) mod world;

const SECOND: u64 = 1_000_000;

/// Runs a fleet with one crash after another.
fn crashes_in_turn(seed: u64, fleet: Fleet, crashes: usize) -> Figures {
    let mut world = World::new(seed, fleet);
    let mut at = 15 * SECOND;
    for _ in 0..crashes {
        at += 20 * SECOND + world.rng.u64(0..20 * SECOND);
        world.run_until(at);
        world.crash(1);
    }
    world.run_until(at + 30 * SECOND);
    world.figures()
}

/// Runs a fleet in which all workers but `left` crash at once.
fn mass_crash(seed: u64, fleet: Fleet, left: usize) -> Figures {
    let mut world = World::new(seed, fleet);
    let at = 20 * SECOND + world.rng.u64(0..20 * SECOND);
    world.run_until(at);
    world.crash(fleet.workers - left);
    world.run_until(at + 40 * SECOND);
    world.figures()
}

fn sum(runs: impl Iterator<Item = Figures>) -> Figures {
    runs.fold(Figures::default(), Figures::and)
}

#[test]
fn a_dead_worker_is_found_by_some_worker_4_s_after_the_failover_time_at_the_latest() {
    for (workers, leases, seeds, crashes) in [
        (2, 4, 40, 1),
        (3, 4, 20, 2),
        (5, 4, 10, 3),
        (10, 3, 6, 6),
        (20, 3, 4, 8),
        (50, 2, 2, 8),
        (200, 1, 1, 12),
    ] {
        let fleet = Fleet {
            workers,
            leases,
            idle: 0,
        };
        let figures = sum((0..seeds).map(|seed| crashes_in_turn(seed, fleet, crashes)));
        let (median, worst) = (figures.percentile(50), figures.percentile(100));
        println!("{workers:>3} workers: {figures}");
        assert_eq!(figures.torn.first(), None, "{workers} workers");
        assert_eq!(figures.unfound.first(), None, "{workers} workers");
        assert!(
            median <= Duration::from_secs(11),
            "{workers} workers: median {median:?}"
        );
        assert!(worst <= Duration::from_secs(14), "{workers} workers: worst {worst:?}");
    }
}

#[test]
fn a_fleet_of_any_size_scans_about_twice_a_second() {
    for (workers, leases) in [(1, 4), (2, 4), (3, 4), (5, 4), (10, 3), (20, 3), (50, 2), (200, 1)] {
        let mut world = World::new(
            1,
            Fleet {
                workers,
                leases,
                idle: 0,
            },
        );
        // By then all have observed the table for the first time, and have had a turn.
        let begun = (10 + workers as u64) * SECOND;
        world.run_until(begun);
        world.set_weather(Weather::Fair);
        world.run_until(begun + 200 * SECOND);
        let (scans, rows) = world.figures().reads_per_second();
        println!("{workers:>3} workers at rest: scans {scans:.2}/s, rows by key {rows:.2}/s");
        // In a large fleet, a renewal that is late begins a turn early.
        let most_scans = if workers > 10 { 2.5 } else { 2.1 };
        assert!(
            (0.9..=most_scans).contains(&scans),
            "{workers} workers: {scans} scans/s"
        );
        let most = if workers > 10 { workers as f64 * 1.2 } else { 1.0 };
        assert!(rows <= most, "{workers} workers: {rows} rows/s");
    }
}

#[test]
fn the_last_worker_finds_all_others_dead() {
    for (workers, seeds) in [(2, 20), (5, 20), (10, 10), (20, 30), (50, 2)] {
        let fleet = Fleet {
            workers,
            leases: 3,
            idle: 0,
        };
        let figures = sum((0..seeds).map(|seed| mass_crash(seed, fleet, 1)));
        let (median, worst) = (figures.percentile(50), figures.percentile(100));
        println!("{workers:>3} workers, all but one dead: {figures}");
        assert_eq!(figures.torn.first(), None, "{workers} workers");
        assert_eq!(figures.unfound.first(), None, "{workers} workers");
        assert!(
            median <= Duration::from_secs(13),
            "{workers} workers: median {median:?}"
        );
        assert!(worst <= Duration::from_secs(15), "{workers} workers: worst {worst:?}");
    }
}

#[test]
fn the_leases_of_a_worker_are_given_to_no_idle_worker_that_died_before_it_or_with_it() {
    for (workers, idle, victims, seeds) in [
        (2, 2, 1, 20),
        (3, 3, 2, 20),
        (6, 3, 3, 10),
        (10, 6, 4, 6),
        (30, 10, 5, 1),
    ] {
        let fleet = Fleet {
            workers,
            leases: 3,
            idle,
        };
        let crash = |seed, before| {
            let mut world = World::new(seed, fleet);
            let at = 20 * SECOND + world.rng.u64(0..40 * SECOND);
            world.run_until(at);
            world.crash_with_idle(victims, before);
            world.run_until(at + before + 40 * SECOND);
            world.figures()
        };
        for before in [0, SECOND, 7 * SECOND, 25 * SECOND] {
            let figures = sum((0..seeds).map(|seed| crash(seed, before)));
            let worst = figures.percentile(100);
            println!(
                "{workers:>3} workers and {idle} idle, {} s before: {figures}",
                before / SECOND
            );
            assert_eq!(figures.torn.first(), None, "{workers} workers");
            assert_eq!(figures.unfound.first(), None, "{workers} workers");
            assert!(worst <= Duration::from_secs(15), "{workers} workers: worst {worst:?}");
        }
    }
}

#[test]
fn the_leases_that_name_a_retired_worker_are_found_as_soon_as_those_of_a_dead_one() {
    for (workers, seeds) in [(2, 20), (3, 20), (10, 6), (50, 2)] {
        let fleet = Fleet {
            workers,
            leases: 2,
            idle: 0,
        };
        let retirement = |seed| {
            let mut world = World::new(seed, fleet);
            let at = 20 * SECOND + workers as u64 * SECOND + world.rng.u64(0..20 * SECOND);
            world.run_until(at);
            world.retire();
            world.run_until(at + 40 * SECOND);
            world.figures()
        };
        let figures = sum((0..seeds).map(retirement));
        let worst = figures.percentile(100);
        println!("{workers:>3} workers, one retired: {figures}");
        assert_eq!(figures.torn.first(), None, "{workers} workers");
        assert_eq!(figures.unfound.first(), None, "{workers} workers");
        assert!(worst <= Duration::from_secs(14), "{workers} workers: worst {worst:?}");
    }
}
