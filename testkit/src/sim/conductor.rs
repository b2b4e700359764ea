//! Carries a plan out.

use std::sync::Arc;

use tokio::time::sleep;

use super::events::Event;
use super::plan::{Phase, Plan, Trouble, TroubleKind, Turn};
use super::process::Process;
use super::world::World;

/// Begins and ends each trouble at its time; those whose time is over begin and end at once.
pub(super) async fn carry_out(world: Arc<World>, plan: Plan) {
    let first = world.state().number_troubles(plan.troubles.len());
    for turn in plan.timeline() {
        sleep(turn.at.saturating_sub(world.clock.elapsed())).await;
        let number = first + turn.number;
        let turn = Turn { number, ..turn };
        let Turn { phase, trouble, .. } = &turn;
        note(&world, *phase, trouble);
        match phase {
            Phase::Begins => world.state().troubles.begin(number, trouble.clone()),
            Phase::Ends => world.state().troubles.end(number),
        }
        world.state().turns.push(turn.clone());
        let (phase, trouble) = (turn.phase, turn.trouble);
        match &trouble.kind {
            // The calls look for it themselves.
            TroubleKind::Calls { .. } => {}
            TroubleKind::IteratorsExpire => expire_iterators(&world, phase),
            TroubleKind::Kms { .. } => {
                let another = world.state().troubles.another(&trouble.kind, "").cloned();
                match (phase, another) {
                    // The other one still lasts.
                    (Phase::Ends, Some(another)) => fail_kms(&world, Phase::Begins, &another.kind),
                    _ => fail_kms(&world, phase, &trouble.kind),
                }
            }
            TroubleKind::CutOff(_)
            | TroubleKind::Freeze
            | TroubleKind::FreezeAtCall(_)
            | TroubleKind::Suspend
            | TroubleKind::Crash
            | TroubleKind::ClockAhead(_)
            | TroubleKind::ClockBehind(_) => {
                for process in victims(&world, &trouble) {
                    let another = world.state().troubles.another(&trouble.kind, process.name()).cloned();
                    match (phase, another.map(|another| another.kind)) {
                        // What still lasts goes on; of two wrong times, the other one is shown.
                        (Phase::Ends, Some(clock @ (TroubleKind::ClockAhead(_) | TroubleKind::ClockBehind(_)))) => {
                            befall(&process, Phase::Begins, &clock);
                        }
                        (Phase::Ends, Some(_)) => {}
                        _ => befall(&process, phase, &trouble.kind),
                    }
                }
            }
        }
    }
}

fn note(world: &World, phase: Phase, trouble: &Trouble) {
    let at = world.clock.elapsed();
    let text = match phase {
        Phase::Begins => format!("begins {trouble}"),
        Phase::Ends => format!("ends {trouble}"),
    };
    world.state().log.push(Event::Plan { at, text });
}

fn victims(world: &Arc<World>, trouble: &Trouble) -> Vec<Process> {
    let names = match &trouble.process {
        Some(name) => vec![name.clone()],
        None => world.state().process_names(),
    };
    names.iter().map(|name| Process::named(world, name)).collect()
}

fn befall(process: &Process, phase: Phase, kind: &TroubleKind) {
    match (kind, phase) {
        (TroubleKind::CutOff(service), Phase::Begins) => process.cut_off(*service),
        (TroubleKind::CutOff(service), Phase::Ends) => process.reconnect(*service),
        (TroubleKind::Freeze, Phase::Begins) => process.freeze(),
        (TroubleKind::FreezeAtCall(service), Phase::Begins) => process.freeze_at_call(*service),
        (TroubleKind::Freeze | TroubleKind::FreezeAtCall(_), Phase::Ends) => process.thaw(),
        (TroubleKind::Suspend, Phase::Begins) => process.suspend(),
        (TroubleKind::Suspend, Phase::Ends) => process.resume(),
        (TroubleKind::Crash, Phase::Begins) => process.kill(),
        // A test may have started it again meanwhile.
        (TroubleKind::Crash, Phase::Ends) => {
            if !process.is_alive() {
                process.restart();
            }
        }
        (TroubleKind::ClockAhead(by), Phase::Begins) => process.set_clock_ahead(*by),
        (TroubleKind::ClockBehind(by), Phase::Begins) => process.set_clock_behind(*by),
        (TroubleKind::ClockAhead(_) | TroubleKind::ClockBehind(_), Phase::Ends) => {
            process.set_clock_behind(std::time::Duration::ZERO);
        }
        (TroubleKind::Calls { .. } | TroubleKind::IteratorsExpire | TroubleKind::Kms { .. }, _) => {}
    }
}

fn expire_iterators(world: &World, phase: Phase) {
    if phase == Phase::Begins {
        world.services.kinesis(crate::kinesis::Kinesis::expire_iterators);
    }
}

fn fail_kms(world: &World, phase: Phase, kind: &TroubleKind) {
    let TroubleKind::Kms { stream, failure } = kind else {
        return;
    };
    world.services.kinesis(|kinesis| {
        // A stream that is not there has no key to fail.
        let Ok(mut stream) = kinesis.control(stream) else {
            return;
        };
        match phase {
            Phase::Begins => stream.fail_kms(*failure),
            Phase::Ends => stream.restore_kms(),
        }
    });
}
