// SPDX-License-Identifier: GPL-2.0

//! Properties that hold for all inputs, tried on random ones.

mod congestion;
mod segment;
mod seq;
