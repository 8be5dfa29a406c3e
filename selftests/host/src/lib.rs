// SPDX-License-Identifier: GPL-2.0

//! The protocol machine of rust_tcpfsm on the host, where it is tested without a kernel.

// What only the module uses is not dead.
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        unused_imports,
        reason = "the machine's users are the module and the tests"
    )
)]
#[cfg_attr(
    test,
    expect(
        dead_code,
        unused_imports,
        reason = "the module needs names that the tests do not"
    )
)]
#[path = "../../../src/fsm/mod.rs"]
mod fsm;

pub mod fuzzing;
#[cfg(feature = "model")]
pub mod model;
pub mod picture;
pub mod prediction;
mod records;
pub mod simulation;

#[cfg(test)]
mod properties;
