// SPDX-License-Identifier: GPL-2.0

//! A way to a state, as a message sequence chart: the packets have numbers in the order in which they were sent, and a second
//! passes with each step.

use stateright::Model;

use super::claims::Claim;
use super::end::{iss_of, Input, Packet};
use super::world::{Act, Pair, World};
use crate::fsm::{Duration, Instant};
use crate::simulation::trace::{words, Trace};

/// So many steps over a fair network are drawn: those that repeat are seen by then.
const MOST_FAIR_STEPS: usize = 40;

/// When the chart starts.
const START: Instant = Instant::from_us(0);

/// The chart of a path that ends where a claim does not hold.
pub(super) fn draw(pair: &Pair, claim: Claim, path: Vec<(World, Option<Act>)>) -> String {
    let mut trace = Trace::drawn();
    let mut now = START;
    let mut sent = Vec::new();
    let mut last = None;
    let mut step = |world: &World, act: Act, trace: &mut Trace| {
        now = now + Duration::from_secs(1);
        draw_act(pair, world, act, now, &mut sent, trace);
        pair.next_state(world, act)
    };
    for (world, act) in path {
        last = match act {
            Some(act) => step(&world, act, &mut trace),
            None => last.or(Some(world)),
        };
    }
    if let Some(fault) = last.as_ref().and_then(|world| world.fault) {
        return format!("{}\n{}", trace.chart(START, 0), fault.text);
    }
    if claim != Claim::Ends {
        return trace.chart(START, 0);
    }
    let fair_from = trace.len();
    for _ in 0..MOST_FAIR_STEPS {
        let Some(world) = last else { break };
        last = pair
            .fair_act(&world)
            .and_then(|act| step(&world, act, &mut trace));
    }
    format!(
        "{}\nfrom line {fair_from} on the network is fair, but both ends do not reach CLOSED",
        trace.chart(START, 0)
    )
}

fn draw_act(
    pair: &Pair,
    world: &World,
    act: Act,
    now: Instant,
    sent: &mut Vec<u32>,
    trace: &mut Trace,
) {
    let number = |sent: &[u32], id| {
        let at = sent.iter().rposition(|other| *other == id);
        at.map_or(0, |at| at as u64 + 1)
    };
    let (side, input) = match act {
        Act::Input(side, input) => (side, input),
        Act::Lose(id) => {
            let side = 1 - pair.packet(id).to;
            let number = number(sent, id);
            return trace.note(now, side, || format!("#{number} is lost"));
        }
        Act::Arrive(id) | Act::ArriveAndStay(id) => {
            let packet = pair.packet(id);
            let again = match act {
                Act::ArriveAndStay(_) => " [may come again]",
                _ => "",
            };
            let number = number(sent, id);
            trace.arrives(now, packet.to, number, || packet_words(&packet) + again);
            (packet.to, Input::Packet(id))
        }
    };
    let step = pair.step(world, side, input, true);
    for note in step.notes {
        trace.note(now, side, || note);
    }
    for packet in step.sent {
        let text = packet_words(&packet);
        sent.push(pair.number_of(packet));
        trace.sends(now, side, sent.len() as u64, || text, None, 1);
    }
}

/// A packet in a few words; an attempt after the first is named.
fn packet_words(packet: &Packet) -> String {
    let side = 1 - packet.to;
    let text = words(
        &packet.segment(),
        iss_of(side, packet.from.max(1)),
        iss_of(packet.to, packet.about.max(1)),
    );
    match packet.from {
        0 | 1 => text,
        attempt => format!("{text} (connection {attempt})"),
    }
}
